/* SPDX-License-Identifier: GPL-2.0 */
/*
 * permissions.h - what an unprivileged user may do is tried by a child
 *
 * It is user nobody, in no group, without any capability, and answers with the line of the test
 * that surprised it.
 */
#ifndef VMDEMO_PERMISSIONS_H
#define VMDEMO_PERMISSIONS_H

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "vmdemo_test.h"

#define PAGES	128
#define NOBODY	65534

/* In a child: end here if it is not so, and tell where. */
#define MUST(condition)									\
	do {										\
		if (!(condition))							\
			tell_and_exit(__LINE__, #condition);				\
	} while (0)

static inline void __noreturn tell_and_exit(int line, const char *condition)
{
	printf("# line %d: not so: %s (errno: %s)\n", line, condition, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* A call that has to fail, and how. */
#define REFUSED(call, error)								\
	do {										\
		errno = 0;								\
		MUST((long)(call) == -1 && errno == (error));				\
	} while (0)

static inline void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	MUST(!syscall(SYS_capset, &head, none));
}

/* Become nobody, a member of one group or of none (0). */
static inline void become_nobody(gid_t group)
{
	MUST(!setgroups(group ? 1 : 0, &group));
	MUST(!setresgid(NOBODY, NOBODY, NOBODY));
	MUST(!setresuid(NOBODY, NOBODY, NOBODY));
	drop_capabilities();
	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* Let user nobody work with a descriptor passed to it, or -1; 0 if all was as expected. */
static inline int let_nobody(void (*work)(int fd), int fd, gid_t group)
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (!pid) {
		become_nobody(group);
		work(fd);
		_exit(0);
	}
	return vt_reap(pid);
}

static inline int make_space(int fd)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };

	return ioctl(fd, VMDEMO_IOC_SPACE, &args);
}

#endif /* VMDEMO_PERMISSIONS_H */
