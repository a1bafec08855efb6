// SPDX-License-Identifier: GPL-2.0
/*
 * vmrun.c - run a program that lives in a sparse space, each part of it a segment
 *
 *   vmrun [-l page|whole|upfront] -a OFFSET PROGRAM [ARGUMENT...]
 *
 *   -a OFFSET  write the program over the device from this byte on: it is loaded from there
 *   -l HOW     when code and data are read: each page when it is touched (the default), a segment
 *              as a whole when the first of its pages is, or all before the start
 *
 * PROGRAM is a static executable made with program.h, and is looked for in the PATH. Byte n of the
 * space is address n of the program: its code, constants and data where the linker has put them,
 * then zeroed data and the heap, the stack high above, and a hole between. When it has ended, what
 * became of each segment is told. The exit status is the program's.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmdemo.h>

#define PAGE	((uint64_t)VMDEMO_PAGE_SIZE)
#define MAX_SEGMENTS	16
#define HEAP_BOUND	(1ULL << 30)
#define STACK_TOP	0x600000000000ULL
#define STACK_BOUND	(8ULL << 20)
/* The program finds its space under this descriptor; program.h knows it too. */
#define SPACE_FD	100

static struct vmdemo_segment segments[MAX_SEGMENTS];
static unsigned int nr_segments;

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	va_list args;

	fputs("vmrun: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(126);
}

static uint64_t page_down(uint64_t bytes)
{
	return bytes & ~(PAGE - 1);
}

static uint64_t page_up(uint64_t bytes)
{
	return page_down(bytes + PAGE - 1);
}

static struct vmdemo_segment *add_segment(const char *name, uint64_t base, uint64_t bound, int prot)
{
	struct vmdemo_segment *segment = &segments[nr_segments++];

	if (nr_segments > MAX_SEGMENTS)
		fail("the program has more than %d segments.", MAX_SEGMENTS);
	*segment = (struct vmdemo_segment){
		.base = base, .bound = bound, .limit = bound, .prot = prot
	};
	snprintf(segment->name, sizeof(segment->name), "%s", name);
	return segment;
}

/* ---- the program, on the device ---- */

/* Its path: a name without a slash is looked for where the shell looks. */
static const char *find_program(const char *name)
{
	const char *directories = getenv("PATH"), *d;
	static char path[4096];
	size_t length;

	if (strchr(name, '/') || !directories)
		return name;
	for (d = directories; *d; d += length + !!d[length]) {
		length = strcspn(d, ":");
		snprintf(path, sizeof(path), "%.*s/%s", (int)length, d, name);
		if (!access(path, X_OK))
			return path;
	}
	fail("there is no program '%s' in the PATH.", name);
}

static const char *name_of(const Elf64_Phdr *part)
{
	return part->p_flags & PF_X ? "code" : part->p_flags & PF_W ? "data" : "constants";
}

static int prot_of(const Elf64_Phdr *part)
{
	return (part->p_flags & PF_R ? PROT_READ : 0) | (part->p_flags & PF_W ? PROT_WRITE : 0) |
	       (part->p_flags & PF_X ? PROT_EXEC : 0);
}

/*
 * Write a part's bytes to the device, zeros to the ends of its pages; what is beyond those is
 * zeroed data.
 */
static void store_part(int dev, const char *file, const Elf64_Phdr *part, uint64_t *at, int loading)
{
	uint64_t base = page_down(part->p_vaddr), head = part->p_vaddr - base;
	uint64_t stored = part->p_filesz ? page_up(head + part->p_filesz) : 0;
	uint64_t end = page_up(part->p_vaddr + part->p_memsz);
	struct vmdemo_segment *segment;
	char *image;

	if (stored) {
		image = calloc(1, stored);
		if (!image)
			fail("no memory for %s.", name_of(part));
		memcpy(image + head, file + part->p_offset, part->p_filesz);
		if (pwrite(dev, image, stored, *at) != (ssize_t)stored)
			fail("writing the program to the device: %s", strerror(errno));
		free(image);
		segment = add_segment(name_of(part), base, stored, prot_of(part));
		segment->flags = VMDEMO_SEGMENT_ORIGIN;
		segment->origin = *at;
		segment->loading = loading;
		*at += stored;
	}
	if (base + stored < end)
		add_segment("zeroed data", base + stored, end - base - stored, prot_of(part));
}

/* Returns the address where the program begins. */
static uint64_t store_program(int dev, const char *path, uint64_t at, int loading)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), i;
	const Elf64_Phdr *parts;
	const Elf64_Ehdr *head;
	struct stat st;
	uint64_t entry;
	char *file;

	if (fd < 0 || fstat(fd, &st))
		fail("%s: %s", path, strerror(errno));
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	head = (const void *)file;
	if (file == MAP_FAILED || (size_t)st.st_size < sizeof(*head) ||
	    memcmp(file, ELFMAG, SELFMAG) || head->e_ident[EI_CLASS] != ELFCLASS64 ||
	    head->e_type != ET_EXEC ||
	    head->e_phoff + head->e_phnum * sizeof(*parts) > (size_t)st.st_size)
		fail("%s is no static 64-bit executable: see program.h for how to make one.", path);
	parts = (const void *)(file + head->e_phoff);
	for (i = 0; i < head->e_phnum; i++) {
		if (parts[i].p_type == PT_INTERP)
			fail("%s is not static: see program.h for how to make one.", path);
		if (parts[i].p_type != PT_LOAD)
			continue;
		if (parts[i].p_offset + parts[i].p_filesz > (size_t)st.st_size)
			fail("%s is cut short.", path);
		store_part(dev, file, &parts[i], &at, loading);
	}
	entry = head->e_entry;
	munmap(file, st.st_size);
	close(fd);
	return entry;
}

/* ---- the space ---- */

static int make_space(int dev)
{
	struct vmdemo_space_args args = {
		.size = STACK_TOP,
		.segments = (uintptr_t)segments,
		.flags = VMDEMO_SPACE_CLOEXEC,
	};
	struct vmdemo_segment *heap, *stack, *last = &segments[nr_segments - 1];
	int fd;

	/* A page that nobody has, between zeroed data and heap. */
	heap = add_segment("heap", last->base + last->bound + PAGE, HEAP_BOUND,
			   PROT_READ | PROT_WRITE);
	heap->limit = 0;
	heap->growth = VMDEMO_GROW_UP;
	stack = add_segment("stack", STACK_TOP - STACK_BOUND, STACK_BOUND, PROT_READ | PROT_WRITE);
	stack->limit = PAGE;
	stack->growth = VMDEMO_GROW_DOWN;
	args.nr_segments = nr_segments;
	fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	if (fd < 0)
		fail("making a space: %s%s", strerror(errno),
		     errno == ENXIO ? "; does the device have swap?" : "");
	return fd;
}

static void map_segments(int fd)
{
	unsigned int i;

	for (i = 0; i < nr_segments; i++) {
		void *place = (void *)segments[i].base;

		if (mmap(place, segments[i].bound, segments[i].prot,
			 MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd,
			 segments[i].base) != place)
			fail("mapping %s at %p: %s", segments[i].name, place, strerror(errno));
	}
}

/*
 * What the kernel puts on a stack: argc, argv, environment, auxiliary vector. Returns its lower
 * end.
 */
static uint64_t *build_stack(int argc, char **argv)
{
	char *text = (char *)STACK_TOP;
	uint64_t *stack, *strings;
	size_t words = 1 + argc + 1 + 1 + 4;
	int i;

	strings = calloc(argc, sizeof(*strings));
	if (!strings)
		fail("no memory for the arguments.");
	for (i = 0; i < argc; i++) {
		text -= strlen(argv[i]) + 1;
		strings[i] = (uintptr_t)strcpy(text, argv[i]);
	}
	stack = (uint64_t *)((uintptr_t)text & ~15UL) - (words + 1) / 2 * 2;
	memset(stack, 0, words * sizeof(*stack));
	stack[0] = argc;
	memcpy(&stack[1], strings, argc * sizeof(*strings));
	stack[1 + argc + 2] = AT_PAGESZ;
	stack[1 + argc + 3] = PAGE;
	free(strings);
	return stack;
}

/* The kernel is not to write into our thread's memory any more: the program unmaps it. */
static void leave_thread(void)
{
	struct rseq *area = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	if (__rseq_size && syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG))
		fail("rseq: %s", strerror(errno));
}

static void __attribute__((noreturn)) become(int fd, uint64_t entry, int argc, char **argv)
{
	uint64_t *stack;

	map_segments(fd);
	stack = build_stack(argc, argv);
	if (dup2(fd, SPACE_FD) < 0)
		fail("the descriptor of the space: %s", strerror(errno));
	leave_thread();
#ifdef __aarch64__
	__asm__ volatile("mov sp, %0\n\tmov x0, xzr\n\tmov x29, xzr\n\tmov x30, xzr\n\tbr %1"
			 :
			 : "r"(stack), "r"(entry)
			 : "memory", "x0");
#else
	__asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%1"
			 :
			 : "a"(stack), "c"(entry)
			 : "memory");
#endif
	__builtin_unreachable();
}

/* ---- afterwards ---- */

static void report(int fd)
{
	struct vmdemo_segment_state state = {};
	unsigned int i;

	fprintf(stderr, "%-12s %13s %7s %7s %7s %7s %8s %8s\n", "segment", "from (hex)", "pages",
		"faults", "loaded", "zeroed", "written", "aborted");
	for (i = 0; i < nr_segments; i++) {
		const struct vmdemo_segment *s = &state.segment;
		uint64_t from;

		state.number = i;
		if (ioctl(fd, VMDEMO_IOC_SEGMENT, &state))
			fail("segment %u: %s", i, strerror(errno));
		from = s->growth == VMDEMO_GROW_DOWN ? s->base + s->bound - s->limit : s->base;
		fprintf(stderr, "%-12s %13llx %7llu %7llu %7llu %7llu %8llu %8llu\n", s->name,
			(unsigned long long)from, (unsigned long long)(s->limit / PAGE),
			(unsigned long long)state.faults, (unsigned long long)state.loaded,
			(unsigned long long)state.zeroed, (unsigned long long)state.written,
			(unsigned long long)state.aborted);
	}
}

static int loading_of(const char *word)
{
	static const char *const words[] = {
		[VMDEMO_LOAD_PAGE] = "page",
		[VMDEMO_LOAD_WHOLE] = "whole",
		[VMDEMO_LOAD_UPFRONT] = "upfront",
	};
	int i;

	for (i = 0; i <= VMDEMO_LOAD_UPFRONT; i++)
		if (!strcmp(word, words[i]))
			return i;
	fail("-l takes page, whole or upfront, not '%s'.", word);
}

int main(int argc, char **argv)
{
	int dev, fd, option, status, loading = VMDEMO_LOAD_PAGE;
	uint64_t at = 1, entry;
	char *end;
	pid_t pid;

	while ((option = getopt(argc, argv, "+a:l:")) != -1) {
		if (option == 'l') {
			loading = loading_of(optarg);
		} else if (option == 'a') {
			at = strtoull(optarg, &end, 0);
			if (*end || at % PAGE)
				fail("-a takes a multiple of %llu, not '%s'.",
				     (unsigned long long)PAGE, optarg);
		} else {
			return 125;
		}
	}
	if (optind == argc || at == 1)
		fail("usage: vmrun [-l page|whole|upfront] -a OFFSET PROGRAM [ARGUMENT...]");
	dev = open("/dev/vmdemo", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		fail("/dev/vmdemo: %s", strerror(errno));
	entry = store_program(dev, find_program(argv[optind]), at, loading);
	/* To the disk, so that it comes from there. */
	if (fsync(dev) || posix_fadvise(dev, 0, 0, POSIX_FADV_DONTNEED))
		fail("writing the program to the disk: %s", strerror(errno));
	fd = make_space(dev);
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid)
		become(fd, entry, argc - optind, argv + optind);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "ended by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	report(fd);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
