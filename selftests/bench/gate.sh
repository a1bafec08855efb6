#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# gate.sh - the instruction counts of the main rows, against selftests/bench/bounds.
#
# Runs in a machine whose clock counts instructions (scripts/vm --icount).  `bench` is in the PATH.  Prints TAP.

here=$(dirname "$0")
results=$(mktemp) || exit 1
trap 'rm -f "$results"' EXIT
export TARGETS=vmdemo
ROWS='randread randwrite seqread seqwrite zipfread resseq resrand' "$here/inside.sh" icount >"$results" &&
	ROWS='zerofill randread randwrite seqread seqwrite' "$here/inside.sh" space >>"$results" ||
	echo "# the measurement broke off"
"$here/report.py" --tap "$(uname -r)" <"$results"
