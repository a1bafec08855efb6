// SPDX-License-Identifier: GPL-2.0
/*
 * space_mount.c - a file system whose files are spaces: names, contents, several users
 */
#include <linux/falloc.h>
#include <linux/fs.h>

#include "kselftest_harness.h"
#include "../abi/permissions.h"
#include "space_mount.h"

#define FILES	4096

/* ---- names ---- */

TEST_F(mount, names)
{
	char target[64] = "";
	struct stat st;

	make_file(where("big/a"), 3, SEED);
	EXPECT_EQ(open(where("big/a"), O_CREAT | O_EXCL | O_RDWR, 0600), -1);
	EXPECT_EQ(errno, EEXIST);
	EXPECT_EQ(open(where("big/b"), O_RDWR), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(open(where("big/a"), O_RDWR | O_DIRECT), -1);
	EXPECT_EQ(errno, EINVAL);
	st = stat_of(where("big/a"));
	EXPECT_EQ(st.st_mode, S_IFREG | 0600);
	EXPECT_EQ(st.st_nlink, 1);
	EXPECT_EQ(st.st_size, 3 * VT_PAGE);
	EXPECT_EQ(st.st_blocks, 3 * VT_PAGE / 512);

	/* Two names of one space. */
	ASSERT_EQ(link(where("big/a"), where("big/b")), 0);
	EXPECT_EQ(stat_of(where("big/b")).st_ino, st.st_ino);
	EXPECT_EQ(stat_of(where("big/b")).st_nlink, 2);
	ASSERT_EQ(unlink(where("big/a")), 0);
	EXPECT_EQ(stat_of(where("big/b")).st_nlink, 1);
	EXPECT_EQ(bad_pages(where("big/b"), 3, SEED), 0);

	/* Directories. */
	EXPECT_EQ(stat_of(where("big")).st_mode, S_IFDIR | 01777);
	EXPECT_EQ(stat_of(where("big")).st_nlink, 2);
	ASSERT_EQ(mkdir(where("big/dir"), 0750), 0);
	ASSERT_EQ(mkdir(where("big/dir/in"), 0750), 0);
	EXPECT_EQ(stat_of(where("big/dir")).st_mode, S_IFDIR | 0750);
	EXPECT_EQ(stat_of(where("big/dir")).st_nlink, 3);
	EXPECT_EQ(rmdir(where("big/dir")), -1);
	EXPECT_EQ(errno, ENOTEMPTY);
	ASSERT_EQ(rename(where("big/b"), where("big/dir/in/c")), 0);
	EXPECT_EQ(bad_pages(where("big/dir/in/c"), 3, SEED), 0);
	EXPECT_EQ(count_names(where("big")), 1);

	/* A name that is taken. */
	make_file(where("big/d"), 5, SEED + 1);
	EXPECT_EQ(renameat2(AT_FDCWD, where("big/d"), AT_FDCWD, where("big/dir/in/c"),
			    RENAME_NOREPLACE), -1);
	EXPECT_EQ(errno, EEXIST);
	ASSERT_EQ(renameat2(AT_FDCWD, where("big/d"), AT_FDCWD, where("big/dir/in/c"),
			    RENAME_EXCHANGE), 0);
	EXPECT_EQ(bad_pages(where("big/d"), 3, SEED), 0);
	EXPECT_EQ(bad_pages(where("big/dir/in/c"), 5, SEED + 1), 0);
	ASSERT_EQ(rename(where("big/dir/in/c"), where("big/d")), 0);
	EXPECT_EQ(bad_pages(where("big/d"), 5, SEED + 1), 0);
	/* What it has replaced is gone. */
	EXPECT_TRUE(vt_wait_stat("swap_free", self->slots - 5, self->slots - 5, 20));

	/* Files that are no spaces. */
	ASSERT_EQ(symlink("dir/in/../../d", where("big/link")), 0);
	EXPECT_EQ(readlink(where("big/link"), target, sizeof(target)), 14);
	EXPECT_STREQ(target, "dir/in/../../d");
	EXPECT_EQ(stat_of(where("big/link")).st_size, 14);
	EXPECT_EQ(bad_pages(where("big/link"), 5, SEED + 1), 0);
	ASSERT_EQ(mkfifo(where("big/fifo"), 0600), 0);
	EXPECT_EQ(stat_of(where("big/fifo")).st_mode, S_IFIFO | 0600);
	EXPECT_EQ(count_names(where("big")), 4);
	EXPECT_EQ(rmdir(where("big/dir/in")), 0);
	EXPECT_EQ(rmdir(where("big/dir")), 0);
	EXPECT_EQ(stat_of(where("big")).st_nlink, 2);
}

TEST_F(mount, many)
{
	char text[16];
	int fd, i;

	for (i = 0; i < FILES; i++) {
		fd = must_open(where("big/%d", i), O_RDWR | O_CREAT | O_EXCL);
		ASSERT_EQ(write(fd, text, snprintf(text, sizeof(text), "%d", i)), strlen(text));
		close(fd);
	}
	EXPECT_EQ(count_names(where("big")), FILES);
	EXPECT_EQ(vt_stat("swap_free"), self->slots - FILES);
	EXPECT_GE(vt_stat("pages_out"), FILES - FRAMES);
	for (i = 0; i < FILES; i += 7) {
		char again[16] = "";

		fd = must_open(where("big/%d", i), O_RDONLY);
		ASSERT_GT(read(fd, again, sizeof(again)), 0);
		EXPECT_EQ(atoi(again), i);
		close(fd);
	}
	for (i = 0; i < FILES; i++)
		ASSERT_EQ(unlink(where("big/%d", i)), 0);
	EXPECT_EQ(count_names(where("big")), 0);
	EXPECT_TRUE(all_free());
}

/* As other people copy: modes, links and holes arrive, and every byte. */
TEST_F(mount, copied_tree)
{
	static const int sizes[] = { 0, 1, 4095, 4096, 4097, 70000, 300000 };
	static const char * const trees[] = { "two/from", "big/from" };
	size_t i;

	ASSERT_EQ(mkdir(where("two/from"), 0755), 0);
	ASSERT_TRUE(vt_shell("cd %s && mkdir -p x/y/z && ln -s x/y l && mkfifo x/f",
			     where("two/from")));
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		ASSERT_TRUE(vt_shell("cd %s/x && head -c %d /dev/urandom >y/%zu && ln y/%zu h%zu",
				     where("two/from"), sizes[i], i, i, i));
	ASSERT_TRUE(vt_shell("cd %s/x/y && truncate -s 1M z/hole && chmod 4751 1",
			     where("two/from")));
	EXPECT_TRUE(vt_shell("cp -a %s %s", where("two/from"), where("big")));
	EXPECT_TRUE(vt_shell("diff -r --no-dereference -x f %s %s", where("two/from"),
			     where("big/from")));
	for (i = 0; i < ARRAY_SIZE(trees); i++)
		ASSERT_TRUE(vt_shell("cd %s && find . ! -type d -printf '%s' | sort >%s",
				     where("%s", trees[i]), "%p %M %n %s %l %T@\\n",
				     where("two/list%zu", i)));
	EXPECT_TRUE(vt_shell("cmp %s %s", where("two/list0"), where("two/list1")));
	EXPECT_EQ(stat_of(where("big/from/x/y/z/hole")).st_blocks, 0);
	ASSERT_EQ(mkdir(where("big/tar"), 0755), 0);
	EXPECT_TRUE(vt_shell("cd %s && tar c . | tar x -C ../tar", where("big/from")));
	EXPECT_TRUE(vt_shell("cd %s && diff -r --no-dereference -x f from tar", where("big")));
	EXPECT_TRUE(vt_shell("rm -r %s/* %s/*", where("two"), where("big")));
	EXPECT_TRUE(all_free());
}

/* ---- contents ---- */

/* They are the file's, not the descriptor's: out to the disk and back while nobody has it open. */
TEST_F(mount, contents_stay)
{
	char buffer[VT_PAGE];
	int fd, i;

	make_file(where("big/a"), BIG, SEED);
	EXPECT_GE(vt_stat("pages_out"), BIG - FRAMES);
	make_file(where("big/b"), BIG, SEED + 1);
	EXPECT_EQ(bad_pages(where("big/a"), BIG, SEED), 0);
	EXPECT_GE(vt_stat("pages_in"), BIG - FRAMES);
	EXPECT_EQ(bad_pages(where("big/b"), BIG, SEED + 1), 0);
	fd = must_open(where("big/a"), O_RDONLY);
	for (i = 0; i < BIG; i++) {
		ASSERT_EQ(read(fd, buffer, VT_PAGE), VT_PAGE);
		ASSERT_EQ(vt_check(buffer, i, SEED), -1);
	}
	EXPECT_EQ(read(fd, buffer, 1), 0);
	EXPECT_EQ(fsync(fd), 0);
	close(fd);
	EXPECT_EQ(vt_stat("swap_free"), self->slots - 2 * BIG);
	/* By write(2), and in place. */
	fd = must_open(where("big/b"), O_WRONLY | O_APPEND);
	vt_fill(buffer, BIG, SEED + 1);
	EXPECT_EQ(write(fd, buffer, VT_PAGE), VT_PAGE);
	close(fd);
	EXPECT_EQ(bad_pages(where("big/a"), BIG, SEED), 0);
	EXPECT_EQ(bad_pages(where("big/b"), BIG + 1, SEED + 1), 0);
	ASSERT_EQ(unlink(where("big/a")), 0);
	EXPECT_TRUE(vt_wait_stat("swap_free", self->slots - BIG - 1, self->slots - BIG - 1, 20));
	close(must_open(where("big/b"), O_WRONLY | O_TRUNC));
	EXPECT_TRUE(all_free());
	EXPECT_EQ(stat_of(where("big/b")).st_size, 0);
}

TEST_F(mount, size_and_holes)
{
	const char *path = where("big/a");
	int fd = must_open(path, O_RDWR | O_CREAT);
	char buffer[VT_PAGE];

	ASSERT_EQ(ftruncate(fd, 1LL << 46), 0);
	EXPECT_EQ(stat_of(path).st_blocks, 0);
	EXPECT_EQ(truncate(path, (1LL << 47) + 1), -1);
	EXPECT_EQ(errno, EFBIG);
	vt_fill(buffer, 1, SEED);
	ASSERT_EQ(pwrite(fd, buffer, VT_PAGE, 1000 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 1000 * VT_PAGE);
	EXPECT_EQ(lseek(fd, 1000 * VT_PAGE, SEEK_HOLE), 1001 * VT_PAGE);
	EXPECT_EQ(lseek(fd, 1001 * VT_PAGE, SEEK_DATA), -1);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 1LL << 46);
	/* Cut inside of the page, and grown again: the rest is zeros. */
	ASSERT_EQ(truncate(path, 1000 * VT_PAGE + 8), 0);
	ASSERT_EQ(truncate(path, 1002 * VT_PAGE), 0);
	ASSERT_EQ(pread(fd, buffer, VT_PAGE, 1000 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(*(__u64 *)buffer, vt_word(1, SEED, 0));
	memset(buffer, 0, 8);
	EXPECT_TRUE(vt_is_zero(buffer));

	EXPECT_EQ(posix_fallocate(fd, 0, 10 * VT_PAGE), 0);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 1002 * VT_PAGE, 5 * VT_PAGE), 0);
	EXPECT_EQ(stat_of(path).st_size, 1002 * VT_PAGE);
	EXPECT_EQ(stat_of(path).st_blocks, 16 * VT_PAGE / 512);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_ZERO_RANGE, 1000 * VT_PAGE, VT_PAGE), 0);
	ASSERT_EQ(pread(fd, buffer, VT_PAGE, 1000 * VT_PAGE), VT_PAGE);
	EXPECT_TRUE(vt_is_zero(buffer));
	EXPECT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * VT_PAGE), 0);
	EXPECT_EQ(stat_of(path).st_blocks, 12 * VT_PAGE / 512);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, VT_PAGE), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	close(fd);
}

static __u64 nanoseconds(struct timespec ts)
{
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Whether the contents' time has moved since the last look, and that of the inode with it. */
static bool modified(const char *path)
{
	static __u64 seen;
	struct stat st = stat_of(path);
	bool moved = nanoseconds(st.st_mtim) > seen && nanoseconds(st.st_ctim) > seen;

	seen = nanoseconds(st.st_ctim);
	vt_nap(30);
	return moved;
}

TEST_F(mount, times)
{
	const char *path = where("big/a");
	int fd = must_open(path, O_RDWR | O_CREAT);
	struct stat before;
	char *mem;

	EXPECT_TRUE(modified(path));
	EXPECT_FALSE(modified(path));
	ASSERT_EQ(write(fd, "x", 1), 1);
	EXPECT_TRUE(modified(path));
	ASSERT_EQ(ftruncate(fd, VT_PAGE), 0);
	EXPECT_TRUE(modified(path));
	ASSERT_EQ(truncate(path, 2 * VT_PAGE), 0);
	EXPECT_TRUE(modified(path));
	ASSERT_EQ(truncate(path, 2 * VT_PAGE), 0);
	EXPECT_FALSE(modified(path));
	ASSERT_EQ(posix_fallocate(fd, VT_PAGE, VT_PAGE), 0);
	EXPECT_TRUE(modified(path));
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, 2, NULL), 0);
	EXPECT_EQ(fallocate(fd, 0, 1LL << 47, VT_PAGE), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_FALSE(modified(path));
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_DISCARD, 0, 1, NULL), 0);
	EXPECT_TRUE(modified(path));
	mem = vt_map(fd, 0, 2, VT_RW, MAP_SHARED);
	vt_touch(mem);
	EXPECT_FALSE(modified(path));
	mem[0] = 1;
	EXPECT_TRUE(modified(path));
	munmap(mem, 2 * VT_PAGE);
	EXPECT_FALSE(modified(path));
	/* The access time: of a file that was modified after it. */
	before = stat_of(path);
	ASSERT_EQ(pread(fd, &before, 1, 0), 1);
	EXPECT_GT(nanoseconds(stat_of(path).st_atim), nanoseconds(before.st_mtim));
	close(fd);
	/* A directory's. */
	modified(where("big"));
	ASSERT_EQ(mkdir(where("big/dir"), 0700), 0);
	EXPECT_TRUE(modified(where("big")));
	ASSERT_EQ(unlink(path), 0);
	EXPECT_TRUE(modified(where("big")));
}

TEST_F(mount, unlinked_while_open)
{
	const char *path = where("big/a");
	char *mem;
	int fd;

	make_file(path, BIG, SEED);
	mem = map_file(path, BIG, VT_RW);
	fd = must_open(path, O_RDWR);
	ASSERT_EQ(unlink(path), 0);
	EXPECT_EQ(open(path, O_RDONLY), -1);
	EXPECT_EQ(vt_count_bad(mem, 0, BIG, SEED), 0);
	vt_fill(mem, 0, SEED + 1);
	close(fd);
	/* The mapping has it still. */
	EXPECT_EQ(vt_count_bad(mem + VT_PAGE, 1, BIG - 1, SEED), 0);
	EXPECT_EQ(vt_check(mem, 0, SEED + 1), -1);
	EXPECT_EQ(vt_stat("swap_free"), self->slots - BIG);
	munmap(mem, BIG * VT_PAGE);
	EXPECT_TRUE(all_free());
}

/* Two names, two descriptors: it is the last of all that counts. */
TEST_F(mount, unlinked_twice)
{
	int fd, fd2;

	make_file(where("big/a"), 8, SEED);
	ASSERT_EQ(link(where("big/a"), where("big/b")), 0);
	fd = must_open(where("big/a"), O_RDONLY);
	fd2 = must_open(where("big/b"), O_RDONLY);
	ASSERT_EQ(unlink(where("big/a")), 0);
	ASSERT_EQ(unlink(where("big/b")), 0);
	close(fd);
	EXPECT_EQ(vt_stat("swap_free"), self->slots - 8);
	close(fd2);
	EXPECT_TRUE(all_free());
	/* Nothing is counted as still on its way: this would wait for it. */
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	ASSERT_EQ(try_umount("big"), 0);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_set("swap", "%s", vt_disk2()), 0);
}

TEST_F(mount, temporary)
{
	int fd = must_open(where("big"), O_RDWR | O_TMPFILE);
	char name[64], byte = 0;
	struct stat st;

	ASSERT_EQ(write(fd, "x", 1), 1);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_nlink, 0);
	EXPECT_EQ(st.st_mode, S_IFREG | 0600);
	EXPECT_EQ(count_names(where("big")), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ASSERT_EQ(linkat(AT_FDCWD, name, AT_FDCWD, where("big/a"), AT_SYMLINK_FOLLOW), 0);
	close(fd);
	fd = must_open(where("big/a"), O_RDONLY);
	EXPECT_EQ(read(fd, &byte, 1), 1);
	EXPECT_EQ(byte, 'x');
	close(fd);
	ASSERT_EQ(unlink(where("big/a")), 0);
	/* Never linked. */
	fd = must_open(where("big"), O_RDWR | O_TMPFILE);
	ASSERT_EQ(write(fd, "x", 1), 1);
	EXPECT_EQ(vt_stat("swap_free"), self->slots - 1);
	close(fd);
	EXPECT_TRUE(all_free());
}

TEST_F(mount, copy_between_files)
{
	loff_t from = 0, to = 0;
	ssize_t done;
	int in, out;

	make_file(where("big/a"), BIG, SEED);
	in = must_open(where("big/a"), O_RDONLY);
	out = must_open(where("big/b"), O_RDWR | O_CREAT);
	while ((done = copy_file_range(in, &from, out, &to, BIG * VT_PAGE - from, 0)) > 0)
		;
	EXPECT_EQ(done, 0);
	EXPECT_EQ(to, BIG * VT_PAGE);
	close(in);
	close(out);
	EXPECT_EQ(bad_pages(where("big/b"), BIG, SEED), 0);
}

/* ---- several users ---- */

/* Two processes that know nothing of each other but a name. */
TEST_F(mount, shared_by_name)
{
	pid_t pid;
	char *mem;

	make_file(where("big/a"), BIG, SEED);
	mem = map_file(where("big/a"), BIG, VT_RW);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		munmap(mem, BIG * VT_PAGE);
		mem = map_file(where("big/a"), BIG, VT_RW);
		MUST(!vt_count_bad(mem, 0, BIG, SEED));
		for (int i = 0; i < BIG; i += 2)
			vt_fill(mem + i * VT_PAGE, i, SEED + 1);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	for (int i = 0; i < BIG; i++)
		ASSERT_EQ(vt_check(mem + i * VT_PAGE, i, i % 2 ? SEED : SEED + 1), -1);
	munmap(mem, BIG * VT_PAGE);
}

/* A mapping that a child inherits: shared is shared, private is its own. */
TEST_F(mount, forked)
{
	char *mem, *own;
	pid_t pid;
	int fd;

	make_file(where("big/a"), BIG, SEED);
	mem = map_file(where("big/a"), BIG, VT_RW);
	fd = must_open(where("big/a"), O_RDONLY);
	own = vt_map(fd, 0, BIG, VT_RW, MAP_PRIVATE);
	close(fd);
	vt_fill(own, 0, SEED + 1);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		MUST(vt_check(own, 0, SEED + 1) == -1);
		vt_fill(own + VT_PAGE, 1, SEED + 2);
		vt_fill(mem + 2 * VT_PAGE, 2, SEED + 3);
		MUST(!vt_count_bad(own + 3 * VT_PAGE, 3, BIG - 3, SEED));
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_check(own + VT_PAGE, 1, SEED), -1);
	EXPECT_EQ(vt_check(mem + 2 * VT_PAGE, 2, SEED + 3), -1);
	EXPECT_EQ(vt_check(mem, 0, SEED), -1);
	munmap(mem, BIG * VT_PAGE);
	munmap(own, BIG * VT_PAGE);
}

TEST_F(mount, executed)
{
	EXPECT_TRUE(vt_shell("cp /bin/true %s && %s", where("big/true"), where("big/true")));
	ASSERT_EQ(mount(NULL, where("big"), NULL, MS_REMOUNT | MS_NOEXEC, NULL), 0);
	EXPECT_FALSE(vt_shell("%s 2>/dev/null", where("big/true")));
}

/* Names of their own; frames and slots in common, and each its bound. */
TEST_F(mount, two_mounts)
{
	ASSERT_EQ(try_mount("two", 0, "device=vmdemo,size=4m"), 0);
	make_file(where("big/a"), BIG, SEED);
	EXPECT_EQ(open(where("two/a"), O_RDWR), -1);
	EXPECT_EQ(errno, ENOENT);
	make_file(where("two/a"), BIG, SEED + 1);
	EXPECT_EQ(bad_pages(where("big/a"), BIG, SEED), 0);
	EXPECT_EQ(bad_pages(where("two/a"), BIG, SEED + 1), 0);
	EXPECT_EQ(link(where("two/a"), where("big/b")), -1);
	EXPECT_EQ(errno, EXDEV);
	EXPECT_EQ(statfs_of(where("two")).f_bfree, (4 << 20) / VT_PAGE - BIG);
	EXPECT_EQ(statfs_of(where("big")).f_bfree, self->slots - 2 * BIG);
	ASSERT_EQ(try_umount("two"), 0);
	EXPECT_TRUE(vt_wait_stat("swap_free", self->slots - BIG, self->slots - BIG, 20));
	EXPECT_EQ(bad_pages(where("big/a"), BIG, SEED), 0);
	/* What is mounted is new. */
	ASSERT_EQ(try_mount("two", 0, "device=vmdemo"), 0);
	EXPECT_EQ(count_names(where("two")), 0);
	make_file(where("two/a"), 1, SEED);
}

TEST_HARNESS_MAIN
