#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install.sh - make install: the module through DKMS, for the oldest kernel and the newest; then boot it and use what was
# installed; and the command vmdemo with what belongs to it.
#
# That writes to /usr/src, /var/lib/dkms, /lib/modules and /usr/local. Here it does so in a mount namespace with
# memory laid over them, and the virtual machine is started in there: the machine itself keeps
# nothing. The newest kernel has a DKMS of its own, in its own root. Needs root.

cd "$(dirname "$0")/../.." || exit
. scripts/lib.sh

if [ "$(id -u)" -ne 0 ] || ! command -v dkms >/dev/null; then
	echo "1..0 # SKIP needs root and dkms"
	exit 4
fi
if [ "${1-}" != inside ]; then
	exec unshare --mount --propagation private "$0" inside
fi

layers=$(mktemp -d) || exit
trap 'umount -l "$layers" && rmdir "$layers"' EXIT
mount -t tmpfs tmpfs "$layers" || exit
oldest=${series[0]}
newest=$(scripts/newest-kernel)
for dir in /usr/src /var/lib/dkms /lib/modules /usr/local ${newest:+"$newest"}; do
	mkdir -p "$layers/upper$dir" "$layers/work$dir" "$dir"
	mount -t overlay -o "lowerdir=$dir,upperdir=$layers/upper$dir,workdir=$layers/work$dir" overlay "$dir" || exit
done

n=0 failed=0
check() {
	local what=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok $((n += 1)) $what"
	else
		tail -n 20 <<<"$out" | sed 's/^/# /'
		echo "not ok $((n += 1)) $what"
		failed=1
	fi
}

# there COMMAND...: in the root of the kernel that is tried: this machine's, or the newest kernel's own.
root=''
there() {
	if [ -z "$root" ]; then
		"$@"
	else
		bwrap --bind "$root" / --dev /dev --proc /proc --ro-bind "$PWD" "$PWD" --chdir "$PWD" -- "$@"
	fi
}

# What is installed is enough to build a policy of one's own (scripts/demo/policy), elsewhere.
policy_builds() {
	local version
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
	mkdir -p "$layers/policy" && cp scripts/demo/policy/* "$layers/policy" &&
		make -C "/lib/modules/$1/build" M="$layers/policy" VMDEMO="/usr/src/vmdemo-$version" modules && [ -s "$layers/policy/policy_lfu.ko" ]
}

# modprobe finds the module by its name alone, the data it is given is on the disk, and the policy that was built belongs to it.
use() {
	local try log=$layers/log
	for try in 1 2 3; do
		# shellcheck disable=SC2016 # it is the other shell's
		scripts/vm -k "$1" --no-module -d 64M --log "$log" -- sh -c 'set -e
			modprobe vmdemo backing=/dev/vda frames=64
			if [ -s "$0" ]; then insmod "$0" && echo lfu >/sys/class/vmdemo/vmdemo/policy; fi
			dd if=/dev/urandom of=/dev/vmdemo bs=64k count=16 conv=fsync
			cmp -n 1048576 /dev/vmdemo /dev/vda
			if [ -s "$0" ]; then echo lru >/sys/class/vmdemo/vmdemo/policy && rmmod policy_lfu; fi
			rmmod vmdemo' "$2" && return
		ran_stale_code "$log" || return
		echo "QEMU ran stale code, try $try"
	done
	return 1
}

# Other versions that DKMS has: one as it should be, and one whose source somebody has removed.
register_others() {
	local v source
	for v in 0.0.1 0.0.2; do
		source=$root/usr/src/vmdemo-$v
		mkdir -p "$source" && cp -r --parents Kbuild Makefile dkms.conf module uapi "$source" &&
			sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$v\"/" "$source/dkms.conf" && there dkms add "vmdemo/$v" || return
	done
	rm -r "$source"
}

# What there is of any version: registered, and its source.
left() {
	(cd "$root/var/lib/dkms/vmdemo" 2>/dev/null && find . -mindepth 1 -maxdepth 1 -type d)
	find "$root/usr/src" -maxdepth 1 -name 'vmdemo-*'
}

only_this() {
	local version
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
	left
	[ "$(left)" = "./$version"$'\n'"$root/usr/src/vmdemo-$version" ]
}

removed() {
	register_others && there make uninstall && ! there modinfo -k "$1" vmdemo && left && [ -z "$(left)" ] &&
		! find "$root/lib/modules/" -name 'vmdemo.ko*' | grep .
}

# A kernel that is too old is refused by name: by DKMS before it builds, and by the sources.
refuses() {
	local fake=$layers/linux-$1 out
	mkdir -p "$fake/linux" "/lib/modules/$1/build" || return
	out=$(dkms build "vmdemo/$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)" -k "$1" 2>&1)
	rm -r "/lib/modules/$1"
	echo "$out"
	grep -q BUILD_EXCLUSIVE <<<"$out" || return
	printf '#define KERNEL_VERSION(a, b, c) ((a) * 65536 + (b) * 256 + (c))\n#define LINUX_VERSION_CODE KERNEL_VERSION(%s)\n' \
		"${1//./,}" >"$fake/linux/version.h"
	out=$(gcc -E -I "$fake" module/compat.h 2>&1)
	grep '#error' <<<"$out"
}

# known RELEASE: DKMS says so.
known() {
	there dkms status vmdemo | grep "$1.*installed"
}

# What belongs to the command, below a prefix.
command_files='bin/vmdemo include/vmdemo.h share/bash-completion/completions/vmdemo share/man/man1/vmdemo.1'

# has_command PREFIX: all of it is there, and as it should be.
has_command() {
	local file
	for file in $command_files; do
		[ -s "$1/$file" ] || { echo "there is no $1/$file" && return 1; }
	done
	"$1/bin/vmdemo" --version | grep -F "$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)" && cmp uapi/vmdemo.h "$1/include/vmdemo.h" &&
		man -l "$1/share/man/man1/vmdemo.1" >/dev/null && echo '#include <vmdemo.h>' | gcc "-I$1/include" -x c -fsyntax-only -
}

# A package: DESTDIR and PREFIX are respected, DKMS is not touched, and make uninstall leaves no file.
packaged() {
	local stage=$layers/stage
	make install DESTDIR="$stage" PREFIX=/usr && has_command "$stage/usr" && [ "$(find "$stage" -type f | wc -l)" -eq 4 ] && [ -z "$(left)" ] &&
		make uninstall DESTDIR="$stage" PREFIX=/usr && ! find "$stage" -type f | grep .
}

no_command() {
	local file
	for file in $command_files; do
		[ ! -e "/usr/local/$file" ] || { echo "there still is /usr/local/$file" && return 1; }
	done
}

# make_install RELEASE: what it says is kept.
make_install() {
	local status=0
	there make install KVER="$1" >"$layers/says" 2>&1 || status=$?
	cat "$layers/says"
	return "$status"
}

# Without a C library, as in the newest kernel's root, nothing but the module is installed, and that is said.
left_out() {
	cat "$layers/says"
	grep 'command vmdemo is left out' "$layers/says" && [ ! -e "$root/usr/local/bin/vmdemo" ]
}

policy='' # a module
# try_kernel KERNEL RELEASE: from make install to make uninstall.
try_kernel() {
	check "make install for $1" make_install "$2"
	check "DKMS knows it for $1" known "$2"
	check "make install leaves this version only" only_this
	if [ "$1" = "$oldest" ]; then
		check "a policy of one's own can be built for it" policy_builds "$2"
		policy=$layers/policy/policy_lfu.ko
	fi
	check "modprobe finds it and it works on $1" use "$1" "$policy"
	policy=''
	if [ "$1" = "$oldest" ]; then
		check "make install puts the command, its man page, its completion and the header in their places" has_command /usr/local
		check "Linux 5.10 is refused" refuses 5.10.0
		check "Linux 6.0 is refused" refuses 6.0.19
	fi
	check "make uninstall takes it away from $1, and every other version" removed "$2"
	[ "$1" != "$oldest" ] || check "and the command with all of it" no_command
}

echo "TAP version 13"
echo "1..18"
release=$(need_kernel "$oldest") || exit
check "the command can be packaged" packaged
check "other versions can be registered" register_others
try_kernel "$oldest" "$release"
if [ -n "$newest" ]; then
	root=$newest
	try_kernel newest "${newest##*/newest-}"
	check "without a C library the command is left out" left_out
else
	for ((i = 0; i < 6; i++)); do
		echo "ok $((n += 1)) # SKIP the newest kernel is not to be had"
	done
fi
exit $failed
