#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# programs.sh - programs that nobody here wrote use /dev/vmdemo: fio, dd, cmp, sha256sum, python3 with numpy.
#
# Loads the module itself, as the other tests do: vmdemo_test.h says with which disks.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh

frames=512          # 2 MiB
size=$((64 << 20))  # what is used of the disk
need fio python3 cmp dd sha256sum mount

load() {
	load_module "backing=$disk" "frames=$frames"
}

# --- the tests ---

# run_fio OPTIONS: write, then read back and verify every block.
run_fio() {
	timeout 240 fio --name=job --filename=/dev/vmdemo --bs=4k --verify=crc32c --verify_fatal=1 --do_verify=1 \
		--fallocate=none --randrepeat=1 --group_reporting --output="$work/fio" "$@" || {
		cat "$work/fio"
		return 1
	}
	! grep -E 'verify:|err= *[1-9]' "$work/fio"
}

fio_mmap_random() {
	run_fio --ioengine=mmap --rw=randwrite --size=8m --numjobs=2 --offset_increment=8m
}

fio_mmap_sequential() {
	run_fio --ioengine=mmap --rw=write --size=8m --numjobs=2 --offset_increment=8m
}

fio_mmap_mixed() {
	run_fio --ioengine=mmap --rw=randrw --size=8m --numjobs=2 --offset_increment=8m --thread
}

fio_psync() {
	run_fio --ioengine=psync --rw=randwrite --bsrange=512-64k --size=8m --fsync=64
}

fio_libaio() {
	run_fio --ioengine=libaio --direct=0 --iodepth=8 --rw=randwrite --size=8m
}

# All that fio did went through a pool a quarter of the size of what it used.
fio_evicted() {
	[ $(($(stat evictions_clean) + $(stat evictions_dirty))) -gt 5000 ] && [ "$(stat pages_out)" -gt 5000 ] && [ "$(stat read_errors)" -eq 0 ] && [ "$(stat write_errors)" -eq 0 ]
}

# The backing disk is read around its cache, or it would show what it was before.
disk_bytes() {
	dd if="$disk" bs=1M count=$((size >> 20)) iflag=direct status=none
}

dd_in() {
	python3 -c "
import random
with open('$work/data', 'wb') as f:
    f.write(random.Random(1).randbytes($size))" &&
		dd if="$work/data" of=/dev/vmdemo bs=64k conv=fsync,notrunc status=none &&
		disk_bytes | cmp - "$work/data"
}

dd_out() {
	dd if=/dev/vmdemo bs=12345 count="$size" iflag=count_bytes,fullblock status=none | cmp - "$work/data"
}

dd_seek() {
	dd if="$work/data" of=/dev/vmdemo bs=4k skip=100 seek=7000 count=3 conv=notrunc status=none &&
		dd if=/dev/vmdemo bs=4k skip=7000 count=3 status=none | cmp - <(dd if="$work/data" bs=4k skip=100 count=3 status=none) &&
		dd if="$work/data" of=/dev/vmdemo bs=4k skip=7000 seek=7000 count=3 conv=notrunc status=none
}

dd_past_the_end() {
	local bytes
	bytes=$(cat "$class/size_bytes")
	! dd if=/dev/zero of=/dev/vmdemo bs=4k seek=$((bytes / 4096)) count=1 conv=notrunc status=none 2>"$work/dd" &&
		grep -q 'No space left' "$work/dd" &&
		[ "$(dd if=/dev/vmdemo bs=4k skip=$((bytes / 4096)) count=1 status=none | wc -c)" -eq 0 ]
}

cmp_device() {
	cmp -n "$size" /dev/vmdemo "$work/data"
}

# cmp must also notice a difference, or the test above says nothing.
cmp_notices() {
	printf x | dd of=/dev/vmdemo bs=1 seek=5000000 conv=notrunc status=none &&
		! cmp -n "$size" /dev/vmdemo "$work/data" >/dev/null &&
		dd if="$work/data" of=/dev/vmdemo bs=1 skip=5000000 seek=5000000 count=1 conv=notrunc status=none
}

sha256() {
	[ "$(head -c "$size" /dev/vmdemo | sha256sum)" = "$(head -c "$size" "$work/data" | sha256sum)" ]
}

python_mmap() {
	python3 - "$work/data" "$size" <<'END'
import mmap, sys
data = open(sys.argv[1], 'rb').read()
with open('/dev/vmdemo', 'r+b') as device:
    with mmap.mmap(device.fileno(), int(sys.argv[2])) as memory:
        if memory[:] != data:
            sys.exit('the mapping differs from what was written')
        if memory.find(data[40000000:40000100]) != 40000000:
            sys.exit('the bytes were not found')
        memory[4095:4097] = b'ab'
        memory.flush()
    if device.seek(4095) != 4095 or device.read(2) != b'ab':
        sys.exit('read does not see what the mapping wrote')
END
}

# The mapping is source and target of another program's direct I/O, in pieces of 256 KiB.
python_direct() {
	python3 - "$work/data" "$disk2" <<'END'
import mmap, os, sys
data = open(sys.argv[1], 'rb').read(8 << 20)
piece = 256 << 10
disk = os.open(sys.argv[2], os.O_RDWR | os.O_DIRECT)
with open('/dev/vmdemo', 'r+b') as device:
    with mmap.mmap(device.fileno(), 32 << 20) as memory:
        view = memoryview(memory)
        for at in range(8192, len(data) - piece, piece):
            if os.pwritev(disk, [view[at:at + piece]], at) != piece:
                sys.exit('short write')
        for at in range(8192, len(data) - piece, piece):
            if os.preadv(disk, [view[(16 << 20) + at:(16 << 20) + at + piece]], at) != piece:
                sys.exit('short read')
            if view[(16 << 20) + at:(16 << 20) + at + piece] != data[at:at + piece]:
                sys.exit('what came back differs at %d' % at)
        for at in range(8192, len(data) - piece, piece):
            if view[(16 << 20) + at:(16 << 20) + at + piece] != data[at:at + piece]:
                sys.exit('the mapping differs at %d after all' % at)
        view[16 << 20:24 << 20] = open(sys.argv[1], 'rb').read(24 << 20)[16 << 20:]
        view.release()
END
}

# Reloading shows what was written.
survives_reload() {
	load && [ "$(dd if=/dev/vmdemo bs=1 skip=4095 count=2 status=none)" = ab ] &&
		cmp -n $((size - 8192)) -i 8192 /dev/vmdemo "$work/data"
}

# python_example ARGUMENT...: its array is eight times as large as the pool, and it says so.
python_example() {
	"$here/../../scripts/demo/example.py" "$@" >"$work/said" || return
	cat "$work/said"
	[ "$(awk '{ print $1, $NF }' "$work/said")" = '4096 8386560' ] && awk '{ exit !($5 > 0 && $5 <= 512) }' "$work/said"
}

python_in_a_space() {
	load_module "backing=$disk" "swap=$disk2" "frames=$frames" && python_example
}

python_on_a_mount() {
	mkdir "$work/mounted" && mount -t vmdemo -o device=vmdemo none "$work/mounted" || return
	python_example "$work/mounted"
	local status=$?
	umount "$work/mounted" && [ "$status" -eq 0 ]
}

tests=(fio_mmap_random fio_mmap_sequential fio_mmap_mixed fio_psync fio_libaio fio_evicted dd_in dd_out dd_seek
	dd_past_the_end cmp_device cmp_notices sha256 python_mmap python_direct survives_reload python_in_a_space python_on_a_mount)

if ! load; then
	echo "Bail out! the module does not load"
	exit 1
fi
run_tests "${tests[@]}"
