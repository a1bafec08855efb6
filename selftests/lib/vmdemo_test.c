// SPDX-License-Identifier: GPL-2.0
/*
 * vmdemo_test.c - what the tests share; vmdemo_test.h says what each function is for
 */
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "vmdemo_test.h"

#define VT_DISK_BYTES	(16384 * VT_PAGE)

static void __attribute__((constructor)) vt_know_page(void)
{
	if (sysconf(_SC_PAGESIZE) != VT_PAGE)
		vt_fail("built for pages of %zu bytes: give make PAGE=%ld", VT_PAGE,
			sysconf(_SC_PAGESIZE));
}

static void vt_end(int status, const char *format, va_list args)
{
	printf("# ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	_exit(status);
}

void vt_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vt_end(KSFT_FAIL, format, args);
	va_end(args);
	abort();
}

void vt_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vt_end(KSFT_SKIP, format, args);
	va_end(args);
	abort();
}

/* Run a program and wait for it. */
static int vt_run(char *const argv[])
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (!pid) {
		execvp(argv[0], argv);
		_exit(127);
	}
	return vt_reap(pid);
}

bool vt_shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return !system(command);
}

int vt_log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log < 0)
		vt_fail("/dev/kmsg: %s", strerror(errno));
	lseek(log, 0, SEEK_END);
	return log;
}

bool vt_log_says(int log, const char *format, ...)
{
	char record[8192], words[256];
	bool found = false;
	ssize_t length;
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	while ((length = read(log, record, sizeof(record) - 1)) > 0) {
		record[length] = 0;
		found |= !!strstr(record, words);
	}
	return found;
}

/* disks */

static void vt_make_ram_disks(void)
{
	char size[32];
	char * const argv[] = { "modprobe", "brd", "rd_nr=3", size, "max_part=0", NULL };

	snprintf(size, sizeof(size), "rd_size=%zu", VT_DISK_BYTES / 1024);
	if (access("/dev/ram2", F_OK) && (vt_run(argv) || access("/dev/ram2", F_OK)))
		vt_skip("no disk: brd does not load, and VMDEMO_TEST_DISK names none");
}

static const char *vt_a_disk(const char *variable, const char *otherwise)
{
	const char *disk = getenv(variable);
	__u64 bytes;
	int fd;

	if (!disk || !*disk) {
		vt_make_ram_disks();
		disk = otherwise;
	}
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		vt_fail("%s: %s", disk, strerror(errno));
	close(fd);
	if (bytes < VT_DISK_BYTES)
		vt_skip("%s holds less than 16,384 pages", disk);
	return disk;
}

const char *vt_disk(void)
{
	return vt_a_disk("VMDEMO_TEST_DISK", "/dev/ram0");
}

const char *vt_disk2(void)
{
	return vt_a_disk("VMDEMO_TEST_DISK2", "/dev/ram1");
}

const char *vt_disk3(void)
{
	return vt_a_disk("VMDEMO_TEST_DISK3", "/dev/ram2");
}

/* loading */

bool vt_loaded(void)
{
	return !access("/sys/module/vmdemo", F_OK);
}

/* A module that is in use with another disk must not be touched. */
static void vt_refuse_foreign(void)
{
	char backing[256];

	if (!vt_loaded() || access(VT_CLASS "vmdemo/backing", R_OK))
		return;
	snprintf(backing, sizeof(backing), "%s", vt_show("backing"));
	if (strcmp(backing, "none") && strcmp(backing, vt_disk()) && strcmp(backing, vt_disk2()))
		vt_skip("vmdemo is in use with %s", backing);
}

int vt_try_unload(void)
{
	return syscall(SYS_delete_module, "vmdemo", O_NONBLOCK) ? -errno : 0;
}

static int vt_modprobe(const char *params)
{
	char command[512];
	char * const argv[] = { "sh", "-c", command, NULL };

	snprintf(command, sizeof(command), "modprobe vmdemo %s", params);
	return vt_run(argv) ? -EINVAL : 0;
}

int vt_try_load(const char *params)
{
	const char *ko = getenv("VMDEMO_KO");
	int fd, error;

	if (!ko || !*ko)
		return vt_modprobe(params);
	fd = open(ko, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		vt_fail("%s: %s", ko, strerror(errno));
	error = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return error;
}

void vt_stop(void)
{
	__u64 deadline = vt_now_ms() + 10000;
	int error;

	if (geteuid())
		vt_skip("only root can load the module");
	vt_refuse_foreign();
	/* A test that failed may have left a process behind that is just being killed. */
	while (vt_loaded()) {
		error = vt_try_unload();
		if (error && (error != -EWOULDBLOCK || vt_now_ms() > deadline))
			vt_fail("the module does not unload: %s", strerror(-error));
	}
}

void vt_load(const char *format, ...)
{
	char params[512];
	va_list args;
	int error;

	vt_stop();
	va_start(args, format);
	vsnprintf(params, sizeof(params), format, args);
	va_end(args);
	error = vt_try_load(params);
	if (error)
		vt_fail("the module does not load with '%s': %s", params, strerror(-error));
}

void vt_start(unsigned int frames)
{
	vt_load("backing=%s frames=%u", vt_disk(), frames);
	if (vt_set("read_ahead_pages", "0"))
		vt_fail("read_ahead_pages cannot be set");
}

/* attributes */

static void vt_attribute(char *path, size_t size, const char *name)
{
	snprintf(path, size, VT_CLASS "vmdemo/%s", name);
	if (!strncmp(name, "../", 3))
		snprintf(path, size, VT_CLASS "%s", name + 3);
}

int vt_set(const char *name, const char *format, ...)
{
	char path[256], value[4096];
	int fd, length, error = 0;
	va_list args;

	va_start(args, format);
	length = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	vt_attribute(path, sizeof(path), name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, length) != length)
		error = -errno;
	close(fd);
	return error;
}

const char *vt_show(const char *name)
{
	static char value[4097];
	char path[256];
	ssize_t length;
	int fd;

	vt_attribute(path, sizeof(path), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		vt_fail("%s: %s", path, strerror(errno));
	length = read(fd, value, sizeof(value) - 1);
	if (length < 0)
		vt_fail("%s: %s", path, strerror(errno));
	close(fd);
	value[length] = 0;
	return strtok(value, "\n") ?: "";
}

const char *const vt_policies[] = { "lru", "fifo", "clock", "random", "2q" };
const int vt_nr_policies = ARRAY_SIZE(vt_policies);

bool vt_policy_is(const char *name)
{
	char names[256] = "";
	int i;

	for (i = 0; i < vt_nr_policies; i++) {
		strcat(names, i ? " " : "");
		strcat(names, strcmp(vt_policies[i], name) ? "" : "[");
		strcat(names, vt_policies[i]);
		strcat(names, strcmp(vt_policies[i], name) ? "" : "]");
	}
	return !strcmp(vt_show("policy"), names);
}

__u64 vt_get(const char *name)
{
	const char *value = vt_show(name);
	char *end;
	__u64 number;

	number = strtoull(value, &end, 10);
	if (end == value || *end)
		vt_fail("%s shows '%s', no number", name, value);
	return number;
}

__u64 vt_stat(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "stats/%s", name);
	return vt_get(path);
}

__u64 vt_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void vt_nap(unsigned int ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

bool vt_wait_stat(const char *name, __u64 least, __u64 most, int seconds)
{
	__u64 deadline = vt_now_ms() + seconds * 1000ULL;
	__u64 value;

	for (;;) {
		value = vt_stat(name);
		if (value >= least && value <= most)
			return true;
		if (vt_now_ms() > deadline)
			return false;
		vt_nap(2);
	}
}

/* the device */

int vt_open(int flags)
{
	int fd = open(VT_DEV, flags | O_CLOEXEC);

	if (fd < 0)
		vt_fail(VT_DEV ": %s", strerror(errno));
	return fd;
}

char *vt_map(int fd, size_t first, size_t pages, int prot, int flags)
{
	char *map = mmap(NULL, pages * VT_PAGE, prot, flags, fd, first * VT_PAGE);

	if (map == MAP_FAILED)
		vt_fail("mmap of %zu pages from %zu: %s", pages, first, strerror(errno));
	return map;
}

/* contents */

__u64 vt_word(__u64 page, __u64 seed, unsigned int i)
{
	return (page * 512 + i + 1) * 0x9e3779b97f4a7c15ULL ^ (seed * 0xbf58476d1ce4e5b9ULL + page);
}

void vt_fill(void *buffer, __u64 page, __u64 seed)
{
	__u64 *words = buffer;
	unsigned int i;

	for (i = 0; i < VT_PAGE / sizeof(*words); i++)
		words[i] = vt_word(page, seed, i);
}

long vt_check(const void *buffer, __u64 page, __u64 seed)
{
	const __u64 *words = buffer;
	unsigned int i;

	for (i = 0; i < VT_PAGE / sizeof(*words); i++)
		if (words[i] != vt_word(page, seed, i))
			return i;
	return -1;
}

bool vt_is_zero(const void *buffer)
{
	static const char zeros[VT_PAGE];

	return !memcmp(buffer, zeros, VT_PAGE);
}

void *vt_buffer(size_t pages)
{
	void *buffer = mmap(NULL, pages * VT_PAGE, VT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buffer == MAP_FAILED)
		vt_fail("no memory for %zu pages", pages);
	return buffer;
}

#define VT_CHUNK	64

void vt_disk_fill(const char *disk, size_t first, size_t pages, __u64 seed)
{
	char *buffer = vt_buffer(VT_CHUNK);
	int fd = open(disk, O_WRONLY | O_DIRECT | O_CLOEXEC);
	size_t page, i, n;

	if (fd < 0)
		vt_fail("%s: %s", disk, strerror(errno));
	for (page = first; page < first + pages; page += n) {
		n = first + pages - page < VT_CHUNK ? first + pages - page : VT_CHUNK;
		for (i = 0; i < n; i++)
			vt_fill(buffer + i * VT_PAGE, page + i, seed);
		if (pwrite(fd, buffer, n * VT_PAGE, page * VT_PAGE) != (ssize_t)(n * VT_PAGE))
			vt_fail("%s: write: %s", disk, strerror(errno));
	}
	close(fd);
	munmap(buffer, VT_CHUNK * VT_PAGE);
}

static void vt_disk_pread(const char *disk, size_t first, size_t pages, void *buffer)
{
	int fd = open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		vt_fail("%s: %s", disk, strerror(errno));
	if (pread(fd, buffer, pages * VT_PAGE, first * VT_PAGE) != (ssize_t)(pages * VT_PAGE))
		vt_fail("%s: read: %s", disk, strerror(errno));
	close(fd);
}

void vt_disk_read(const char *disk, size_t page, void *buffer)
{
	char *aligned = vt_buffer(1);

	vt_disk_pread(disk, page, 1, aligned);
	memcpy(buffer, aligned, VT_PAGE);
	munmap(aligned, VT_PAGE);
}

bool vt_disk_check(const char *disk, size_t first, size_t pages, __u64 seed)
{
	char *buffer = vt_buffer(pages);
	size_t bad;

	vt_disk_pread(disk, first, pages, buffer);
	bad = vt_count_bad(buffer, first, pages, seed);
	munmap(buffer, pages * VT_PAGE);
	return !bad;
}

size_t vt_count_bad(const char *map, size_t first, size_t pages, __u64 seed)
{
	size_t i, bad = 0;

	for (i = 0; i < pages; i++) {
		long word = vt_check(map + i * VT_PAGE, first + i, seed);

		if (word >= 0 && !bad++)
			printf("# page %zu differs from word %ld on\n", first + i, word);
	}
	return bad;
}

/* signals */

static sigjmp_buf vt_escape;
static siginfo_t vt_siginfo;

static void vt_on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	vt_siginfo = *info;
	siglongjmp(vt_escape, signal);
}

static int vt_try(char *address, bool write, siginfo_t *info)
{
	struct sigaction action = { .sa_sigaction = vt_on_signal, .sa_flags = SA_SIGINFO };
	struct sigaction old_bus, old_segv;
	int signal;

	sigaction(SIGBUS, &action, &old_bus);
	sigaction(SIGSEGV, &action, &old_segv);
	signal = sigsetjmp(vt_escape, 1);
	if (!signal) {
		char byte = __atomic_load_n(address, __ATOMIC_RELAXED);

		if (write)
			__atomic_store_n(address, byte, __ATOMIC_RELAXED);
	}
	sigaction(SIGBUS, &old_bus, NULL);
	sigaction(SIGSEGV, &old_segv, NULL);
	if (info)
		*info = vt_siginfo;
	return signal;
}

int vt_try_read(const void *address, siginfo_t *info)
{
	return vt_try((char *)address, false, info);
}

int vt_try_write(void *address, siginfo_t *info)
{
	return vt_try(address, true, info);
}

/* ioctls */

int vt_range(int fd, unsigned long request, size_t first, size_t pages, __u64 *acted_on)
{
	struct vmdemo_range range = { .offset = first * VT_PAGE, .length = pages * VT_PAGE };

	if (ioctl(fd, request, &range))
		return -errno;
	if (acted_on)
		*acted_on = range.pages;
	return 0;
}

int vt_pagemap(int fd, size_t first, size_t pages, struct vmdemo_page *map)
{
	struct vmdemo_pagemap pagemap = {
		.offset = first * VT_PAGE,
		.length = pages * VT_PAGE,
		.pages = (uintptr_t)map,
	};

	return ioctl(fd, VMDEMO_IOC_PAGEMAP, &pagemap) ? -errno : 0;
}

struct vmdemo_page vt_page(int fd, size_t page)
{
	struct vmdemo_page entry;
	int error = vt_pagemap(fd, page, 1, &entry);

	if (error)
		vt_fail("PAGEMAP: %s", strerror(-error));
	return entry;
}

bool vt_resident(int fd, size_t page)
{
	return vt_page(fd, page).frame != VMDEMO_NO_FRAME;
}

size_t vt_count_resident(int fd, size_t first, size_t pages)
{
	struct vmdemo_page *map = calloc(pages, sizeof(*map));
	int error = vt_pagemap(fd, first, pages, map);
	size_t i, n = 0;

	if (error)
		vt_fail("PAGEMAP: %s", strerror(-error));
	for (i = 0; i < pages; i++)
		n += map[i].frame != VMDEMO_NO_FRAME;
	free(map);
	return n;
}

/* processes */

int vt_reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		vt_fail("waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

bool vt_ends_within(pid_t pid, unsigned int ms, int *status)
{
	unsigned int naps;

	for (naps = 0; naps < ms / 5; naps++) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		vt_nap(5);
	}
	return waitpid(pid, status, WNOHANG) == pid;
}

bool vt_comes_to_wait(pid_t pid)
{
	char state = 0;
	int naps;

	for (naps = 0; naps < 4000 && state != 'D'; naps++) {
		char path[32];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			vt_fail("%s cannot be read", path);
		fclose(f);
		vt_nap(5);
	}
	return state == 'D';
}

/* One look at the accounts. */
static bool balanced(bool tell)
{
	__u64 parts = vt_stat("frames_free") + vt_stat("frames_active") +
		      vt_stat("frames_standby");
	__u64 frames = vt_get("frames_actual");
	__u64 reasons = vt_stat("faults_hard") + vt_stat("readahead_pages") +
			vt_stat("prefetch_pages") + vt_stat("rw_pages");
	__u64 in = vt_stat("pages_in") + vt_stat("pages_copied");

	if (tell && parts != frames)
		printf("# free + active + standby = %ju, but frames_actual = %ju\n",
		       (uintmax_t)parts, (uintmax_t)frames);
	if (tell && reasons != in)
		printf("# hard + readahead + prefetch + rw = %ju, but in + copied = %ju\n",
		       (uintmax_t)reasons, (uintmax_t)in);
	return parts == frames && reasons == in;
}

/*
 * The reclaim thread may be at work still, and the counters are read one after the other. One look
 * at which they agree is enough: the thread may wake at the next.
 */
bool vt_balanced(void)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (balanced(false))
			return true;
		usleep(20000);
	}
	return balanced(true);
}

/* The sum of the numbers that lines of a file have for a key. */
static long sum_of(const char *file, const char *key)
{
	long sum = 0, number, found = 0;
	char line[128], name[32];
	FILE *f = fopen(file, "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %ld", name, &number) != 2 || strcmp(name, key))
			continue;
		sum += number;
		found++;
	}
	if (!found)
		vt_fail("no %s in %s", key, file);
	fclose(f);
	return sum;
}

long vt_memory_free(void)
{
	/* The slab caches part with what is free in them, and KASAN with what it keeps of it. */
	if (!vt_shell("sync; echo 3 >/proc/sys/vm/drop_caches; "
		      "for f in /sys/kernel/slab/*/shrink; do echo 1 >$f; done; sleep 1"))
		vt_fail("the caches cannot be dropped");
	/* Each processor keeps free pages for itself, up to some 27 MB of them on 6.1. */
	return sum_of("/proc/meminfo", "MemFree:") + 4 * sum_of("/proc/zoneinfo", "count:");
}

__u64 vt_random(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}
