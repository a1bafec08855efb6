# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# script.sh - what the tests that are scripts share: the disks, loading the module, and the results, in TAP.
#
# To be sourced.  Disks are as vmdemo_test.h says.

class=/sys/class/vmdemo/vmdemo
disk=${VMDEMO_TEST_DISK:-/dev/ram0}
disk2=${VMDEMO_TEST_DISK2:-/dev/ram1}
work=$(mktemp -d /tmp/vmdemo-test.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT

skip_all() {
	echo "1..0 # SKIP $*"
	exit 4
}

# need TOOL...: and root, and the disks.
need() {
	local tool
	[ "$(id -u)" -eq 0 ] || skip_all "only root can load the module"
	[[ -b $disk && -b $disk2 ]] || modprobe brd rd_nr=3 rd_size=$((16 * $(getconf PAGESIZE))) max_part=0 || skip_all "there is no $disk or $disk2"
	for tool; do
		command -v "$tool" >/dev/null || skip_all "$tool is not installed"
	done
}

# load_module PARAMETER...: afresh; a module that is in use with other disks is left alone.
load_module() {
	if [ -d /sys/module/vmdemo ]; then
		case $(cat $class/backing) in
		none | /dev/ram[01] | "$disk" | "$disk2") rmmod vmdemo || return ;;
		*) skip_all "vmdemo is in use with $(cat $class/backing)" ;;
		esac
	fi
	if [ -n "$VMDEMO_KO" ]; then
		insmod "$VMDEMO_KO" "$@"
	else
		modprobe vmdemo "$@"
	fi
}

# stat NAME: one counter.
stat() {
	cat "$class/stats/$1"
}

# run_tests FUNCTION...: each succeeds or fails; what it prints is shown when it fails.
run_tests() {
	local t n=0 failed=0
	echo "TAP version 13"
	echo "1..$#"
	for t; do
		n=$((n + 1))
		if $t >"$work/out" 2>&1; then
			echo "ok $n $t"
		else
			sed 's/^/# /' "$work/out"
			echo "not ok $n $t"
			failed=1
		fi
	done
	exit $failed
}
