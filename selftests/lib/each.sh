#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# each.sh - run test programs one after the other, in one machine.
#
#   each.sh 'PROGRAM [ARGUMENT...]'...
#
# Ends with the status of the first that failed; 4, skipped, is less than that.

status=0
for program; do
	# shellcheck disable=SC2086 # it may be several words
	$program
	last=$?
	case $status in
	0) status=$last ;;
	4) [ $last -eq 0 ] || status=$last ;;
	esac
done
exit $status
