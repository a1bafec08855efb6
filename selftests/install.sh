#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# install.sh - make install through DKMS, then use and remove what was installed.
#
# For a virtual machine: its root is thrown away afterwards. The disk is $VMDEMO_TEST_DISK.

echo "TAP version 13"
echo "1..4"
log=$(mktemp)

check() {
	what=$1
	shift
	if "$@" >"$log" 2>&1; then
		echo "ok $((n += 1)) $what"
	else
		tail -n 20 "$log" | sed 's/^/# /'
		echo "not ok $((n += 1)) $what"
		failed=1
	fi
}

# The sources lie where DKMS wants them, and modprobe finds the module by its name alone.
installed() {
	dkms status vmdemo | grep -q "$(uname -r).*installed" && modinfo vmdemo
}

used() {
	modprobe vmdemo backing="$VMDEMO_TEST_DISK" frames=64 &&
		dd if=/dev/urandom of=/dev/vmdemo bs=64k count=16 conv=fsync && cmp -n 1048576 /dev/vmdemo "$VMDEMO_TEST_DISK" &&
		rmmod vmdemo
}

removed() {
	make uninstall && ! modinfo vmdemo
}

n=0 failed=0
check "make install builds and installs for this kernel" make install
check "DKMS and modprobe know it" installed
check "it works from there" used
check "make uninstall takes it away" removed
exit $failed
