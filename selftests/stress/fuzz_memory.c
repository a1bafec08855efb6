// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_memory.c - the calls on memory
 */
#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fuzz.h"

/* ---- calls: memory ---- */

void do_mmap(struct fuzzer *f)
{
	bool private = draw(f, 3) == 0, inside = draw(f, 4), low = draw(f, 2);
	size_t length = span(f), populate = draw(f, 8) ? 0 : MAP_POPULATE;
	__u64 offset = writable(f), from = anywhere(f);
	int prot = draw(f, 8), fd = any_fd(f), reader = fd_to_read(f);
	int flags = MAP_FIXED | populate | (private ? MAP_PRIVATE : MAP_SHARED);
	char *at = slot(f);

	if (inside)
		length = (1 + draw(f, MAPPED)) * VT_PAGE;
	/* mprotect() may make it writable later: not the checker's pages, unless copied. */
	if (low) {
		offset = from;
		fd = private ? fd : reader;
	}
	if (inside)
		offset &= ~(VT_PAGE - 1);
	if (draw(f, 32) == 0)
		flags |= 1 << (4 + draw(f, 16));
	CALL(f, mmap(at, length, prot, flags, fd, offset), "%p %#zx %d %#x %d %#jx", at, length,
	     prot, flags, fd, (uintmax_t)offset);
}

void do_munmap(struct fuzzer *f)
{
	char *at = mapped(f);
	size_t length = span(f);

	CALL(f, munmap(at, length), "%p %#zx", at, length);
}

void do_mremap(struct fuzzer *f)
{
	size_t old = draw(f, 8) ? span(f) : 0, length = span(f);
	char *at = mapped(f), *to = slot(f), *got;
	int flags = draw(f, 8);

	got = (char *)CALL(f, mremap(at, old, length, flags, to), "%p %#zx %#zx %d %p", at, old,
			   length, flags, to);
	/* Where we would not find it again it does no good. */
	if (got != MAP_FAILED && (got < ARENA || got >= ARENA + SLOTS * SLOT_BYTES))
		munmap(got, length);
}

void do_mprotect(struct fuzzer *f)
{
	int prot = draw(f, 16) ? draw(f, 8) : hostile(f);
	char *at = mapped(f);
	size_t length = span(f);

	CALL(f, mprotect(at, length, prot), "%p %#zx %#x", at, length, prot);
}

/* Not MADV_HWPOISON (100) and MADV_SOFT_OFFLINE: this is about calls that anybody may do. */
void do_madvise(struct fuzzer *f)
{
	int advice = draw(f, 32);
	char *at = mapped(f);
	size_t length = span(f);

	CALL(f, madvise(at, length, advice), "%p %#zx %d", at, length, advice);
}

void do_other_memory_calls(struct fuzzer *f)
{
	unsigned char *vector = (unsigned char *)memory(f);
	char *at = mapped(f), *page = at;
	int flags = draw(f, 16), node = 0, status;
	size_t length = span(f);

	switch (draw(f, 8)) {
	case 0:
		CALL(f, mlock(at, length), "%p %#zx", at, length);
		break;
	case 1:
		CALL(f, mlock2(at, length, flags), "%p %#zx %d", at, length, flags);
		break;
	case 2:
	case 3:
		CALL(f, munlock(at, length), "%p %#zx", at, length);
		break;
	case 4:
		CALL(f, mincore(at, length, vector), "%p %#zx %p", at, length, vector);
		break;
	case 5:
	case 6:
		CALL(f, msync(at, length, flags), "%p %#zx %d", at, length, flags);
		break;
	case 7:
		CALL(f, syscall(SYS_move_pages, 0, 1UL, &page, &node, &status, 2), "%p", at);
		break;
	}
}

void do_touch(struct fuzzer *f)
{
	char *at = mapped(f);
	int i, n = 1 + draw(f, 16), write = draw(f, 2);

	for (i = 0; i < n; i++)
		if (write)
			CALL(f, vt_try_write(at + i * VT_PAGE, NULL), "%p", at + i * VT_PAGE);
		else
			CALL(f, vt_try_read(at + i * VT_PAGE, NULL), "%p", at + i * VT_PAGE);
}

void do_vm_access(struct fuzzer *f)
{
	struct iovec local = { memory(f), some_bytes(f) }, remote = { mapped(f), local.iov_len };

	if (draw(f, 2))
		CALL(f, process_vm_readv(getpid(), &local, 1, &remote, 1, 0), "%p %p %zu",
		     local.iov_base, remote.iov_base, local.iov_len);
	else
		CALL(f, process_vm_writev(getpid(), &local, 1, &remote, 1, 0), "%p %p %zu",
		     local.iov_base, remote.iov_base, local.iov_len);
}

/* Write protection that resolves itself: the one kind that our mappings may have, from 6.7 on. */
void do_userfaultfd(struct fuzzer *f)
{
	/* UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC */
	struct uffdio_api api = { .api = UFFD_API, .features = 1 << 13 | 1 << 15 };
	struct uffdio_register range = { .range = { (uintptr_t)slot(f), span(f) }, .mode = 2 };
	struct uffdio_writeprotect protect = { .range = range.range, .mode = 1 };
	int fd = CALL(f, syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), "open"), i;

	if (fd < 0)
		return;
	if (!CALL(f, ioctl(fd, UFFDIO_API, &api), "api")) {
		CALL(f, ioctl(fd, UFFDIO_REGISTER, &range), "%#jx", (uintmax_t)range.range.start);
		CALL(f, ioctl(fd, UFFDIO_WRITEPROTECT, &protect), "protect");
		for (i = 0; i < 8; i++)
			vt_try_write((char *)(uintptr_t)range.range.start + i * VT_PAGE, NULL);
	}
	CALL(f, close(fd), "userfaultfd");
}

void do_proc(struct fuzzer *f)
{
	static const char * const files[] = {
		"/proc/self/smaps", "/proc/self/numa_maps", "/proc/self/maps",
		VT_CLASS "vmdemo/stats/frames_pinned", VT_CLASS "vmdemo/policy",
	};
	const char *name = files[draw(f, ARRAY_SIZE(files))];
	char what = '1' + draw(f, 5);
	int fd;

	if (draw(f, 2)) {
		fd = open("/proc/self/clear_refs", O_WRONLY);
		CALL(f, write(fd, &what, 1), "clear_refs %c", what);
	} else {
		fd = open(name, O_RDONLY);
		while (CALL(f, read(fd, f->buffer, VT_PAGE), "%s", name) > 0)
			;
	}
	close(fd);
}
