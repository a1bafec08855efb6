# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# lib.sh - what the scripts share: where things are kept, how to complain, which kernel is meant.
# Sourced, never run.  It owns no state but the variables below.

# The top of the source tree, and where everything built or downloaded is kept: never in the tree.
# shellcheck disable=SC2034 # read by the scripts that source this file
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${VMDEMO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/vmdemo}

# The kernel series everything is built for and tested on, and the one used when none is asked for.
# shellcheck disable=SC2034
series=(6.1 6.12) default_series=6.12

# The kernels that are built from source (scripts/source-kernel).  Those that look for bugs take this many times the time,
# and memory.
# shellcheck disable=SC2034
source_kernels=(debug kcsan arm64 arm64-16k arm64-64k 6.18) slow_kernels=(debug kcsan) slow_time=5 slow_memory=2

# is_source_kernel NAME, is_slow_kernel NAME: is it one of them?
is_source_kernel() {
	[[ " ${source_kernels[*]} " == *" $1 "* ]]
}

is_slow_kernel() {
	[[ " ${slow_kernels[*]} " == *" $1 "* ]]
}

# machine_of KERNEL: print the processor that it is for, as the kernel's ARCH= names it.
machine_of() {
	case $1 in
	arm64*) echo arm64 ;;
	*) echo x86 ;;
	esac
}

# cross_of MACHINE: print what the names of its compiler and its binutils begin with.
cross_of() {
	case $1 in
	arm64) echo aarch64-linux-gnu- ;;
	esac
}

# page_of KERNEL: print the bytes in its pages.
page_of() {
	case $1 in
	*-16k) echo 16384 ;;
	*-64k) echo 65536 ;;
	*) echo 4096 ;;
	esac
}

# build_tool KERNEL: build the command vmdemo for its machine, and print the directory it lies in.
build_tool() {
	local cross dir
	cross=$(cross_of "$(machine_of "$1")")
	dir=$cache/tool${cross:+-$(machine_of "$1")}
	mkdir -p "$dir"
	# Two may want it.
	flock "$dir" make -s -C "$top/scripts/tool" O="$dir" CROSS_COMPILE="$cross" >&2 || die 1 "the command vmdemo does not build."
	echo "$dir"
}

# usage_error SENTENCE: the user's input was bad; say what to do.
usage_error() {
	echo "${0##*/}: $*" >&2
	exit 2
}

# die STATUS SENTENCE: the input was good, the work failed.
die() {
	local status=$1
	shift
	echo "${0##*/}: $*" >&2
	exit "$status"
}

# need_value OPTION COUNT: an option that takes a value must have one.
need_value() {
	[ "$2" -ge 2 ] || usage_error "$1 needs a value; see --help."
}

# show_help FILE: the comment at the head of a script is its help text.
show_help() {
	sed -n '3,/^[^#]/{s/^# \{0,1\}//p}' "$1"
}

# kernel_release PREFIX: print the newest installed kernel that PREFIX names (6.1, 6.12, 6.12.117+deb12-amd64)
# and that can be booted and built for; status 1 if there is none.
kernel_release() {
	local dir release newest=
	while read -r dir; do
		release=${dir##*/}
		[[ $release == "$1" || $release == "$1"[.-]* ]] || continue
		[ -e "/boot/vmlinuz-$release" ] && [ -e "$dir/build/Makefile" ] && newest=$release
	done < <(printf '%s\n' /lib/modules/* | sort -V)
	[ -n "$newest" ] && echo "$newest"
}

# ran_stale_code LOG: before QEMU 8.1 TCG may run a breakpoint that the kernel has already taken back, which ends the
# machine with this log: not our fault.
ran_stale_code() {
	grep -q 'int3: 0000 \[#1\]' "$1" 2>/dev/null
}

# need_kernel PREFIX: the same, or end with advice.
need_kernel() {
	kernel_release "$1" || usage_error "no kernel $1 with headers is installed: run scripts/setup," \
		"or name one of: $(cd /lib/modules && echo ./* | sed 's|\./||g')."
}

# unpack_kernel BZIMAGE FILE: where the payload lies is said in the image's header (Documentation/arch/x86/boot).
unpack_kernel() {
	local setup_sects payload_offset payload_length unpack temporary
	setup_sects=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
	payload_offset=$(od -An -tu4 -j $((0x248)) -N 4 "$1")
	payload_length=$(od -An -tu4 -j $((0x24c)) -N 4 "$1")
	mkdir -p "$(dirname "$2")" && temporary=$(mktemp "$2.XXXXXX") || return
	for unpack in xz zstd gzip; do
		# The last four bytes are the unpacked size.
		tail -c +$(((setup_sects + 1) * 512 + payload_offset + 1)) "$1" | head -c $((payload_length - 4)) |
			$unpack -dc >"$temporary" 2>/dev/null && break
	done
	[ -s "$temporary" ] && chmod 644 "$temporary" && mv "$temporary" "$2" && return
	rm -f "$temporary"
	return 1
}
