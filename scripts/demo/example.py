#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
example.py - memory that is larger than its frames, from Python

  example.py        an array in a space of /dev/vmdemo, which its ioctl makes
  example.py DIR    an array in a file: mount -t vmdemo -o device=vmdemo none DIR
"""
import ctypes
import fcntl
import mmap
import os
import sys

import numpy

ROWS = 4096  # of a page each


def structure(**fields):
    """What uapi/vmdemo.h has: the bytes of each field, in order."""
    kinds = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
    return type("Structure", (ctypes.Structure,), {"_fields_": [(f, kinds[n]) for f, n in fields.items()]})


SpaceArgs = structure(size=8, max_pages=8, segments=8, nr_segments=4, flags=4)
Pagemap = structure(offset=8, length=8, pages=8, flags=4, reserved=4)
Page = structure(slot=8, frame=4, state=1, flags=1, reserved=2)


def ioctl(file, number, argument):
    """VMDEMO_IOC_..., of those that only read their argument: _IOW(0xE7, number, ...)."""
    return fcntl.ioctl(file, 1 << 30 | ctypes.sizeof(argument) << 16 | 0xE7 << 8 | number, argument)


def pages_in_frames(fd):
    pages = (Page * ROWS)()
    ioctl(fd, 4, Pagemap(length=ROWS * mmap.PAGESIZE, pages=ctypes.addressof(pages)))  # VMDEMO_IOC_PAGEMAP
    return sum(1 <= page.state <= 4 for page in pages)


if len(sys.argv) > 1:
    path = os.path.join(sys.argv[1], "array")
    array = numpy.memmap(path, "f8", "w+", shape=(ROWS, mmap.PAGESIZE // 8))
    fd = os.open(path, os.O_RDONLY)
else:
    with open("/dev/vmdemo", "r+b", buffering=0) as device:
        fd = ioctl(device, 5, SpaceArgs(size=ROWS * mmap.PAGESIZE))  # VMDEMO_IOC_SPACE
    array = numpy.frombuffer(mmap.mmap(fd, ROWS * mmap.PAGESIZE), "f8").reshape(ROWS, -1)

array[:] = numpy.arange(ROWS)[:, None]
print("%d pages, of which %d are in frames; the means of the rows add up to %.0f" %
      (ROWS, pages_in_frames(fd), array.mean(axis=1).sum()))
