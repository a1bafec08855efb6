#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install.sh - make install through DKMS, for each kernel; then boot it and use what was installed.
#
# DKMS writes to /usr/src, /var/lib/dkms and /lib/modules. Here it does so in a mount namespace with
# memory laid over them, and the virtual machine is started in there: the machine itself keeps
# nothing. Needs root.

cd "$(dirname "$0")/.." || exit
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
for dir in /usr/src /var/lib/dkms /lib/modules; do
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

# modprobe finds the module by its name alone, and the data it is given is on the disk.
use() {
	local try log=$layers/log
	for try in 1 2 3; do
		scripts/vm -k "$1" --no-module -d 64M --log "$log" -- sh -c 'set -e
			modprobe vmdemo backing=/dev/vda frames=64
			dd if=/dev/urandom of=/dev/vmdemo bs=64k count=16 conv=fsync
			cmp -n 1048576 /dev/vmdemo /dev/vda
			rmmod vmdemo' && return
		ran_stale_code "$log" || return
		echo "QEMU ran stale code, try $try"
	done
	return 1
}

removed() {
	make uninstall && ! modinfo -k "$1" vmdemo
}

echo "TAP version 13"
echo "1..$((4 * ${#series[@]}))"
for k in "${series[@]}"; do
	release=$(need_kernel "$k") || exit
	check "make install for $k" make install KVER="$release"
	check "DKMS knows it for $k" grep -q "$release.*installed" <(dkms status vmdemo)
	check "modprobe finds it and it works on $k" use "$release"
	check "make uninstall takes it away from $k" removed "$release"
done
exit $failed
