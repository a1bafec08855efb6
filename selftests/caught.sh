#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# caught.sh - show that torture catches a module that loses data on purpose (module/broken.h).
#
# Runs torture with the arguments given.  Succeeds if it sees wrong bytes, fails if it is content.

echo "TAP version 13"
echo "1..1"
out=$(torture "$@" 2>&1)
echo "$out" | sed 's/^/# /'
if echo "$out" | grep -q 'should be' && echo "$out" | grep -q '^not ok'; then
	echo "ok 1 torture saw what was lost"
else
	echo "not ok 1 torture saw nothing of what was lost"
	exit 1
fi
