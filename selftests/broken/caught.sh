#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# caught.sh - show that a test catches a module that loses data on purpose (selftests/broken).
#
#   caught.sh TEST [ARGUMENT...]
#
# Succeeds if the test sees wrong data, fails if it is content three times: a race is not met in every run.

echo "TAP version 13"
echo "1..1"
for try in 1 2 3; do
	out=$("$@" 2>&1)
	echo "$out" | sed 's/^/# /'
	if echo "$out" | grep -Eq 'should be|differs from' && echo "$out" | grep -q '^not ok'; then
		echo "ok 1 $1 saw what was lost, try $try"
		exit 0
	fi
done
echo "not ok 1 $1 saw nothing of what was lost"
exit 1
