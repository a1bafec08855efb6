// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - vmdemo: one command to see and steer the devices of the module
 *
 * The subcommands are in the table below, each in the file of its group.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct command *const commands[] = {
	&command_list, &command_info, &command_set, &command_bind, &command_unbind,
	&command_stat, &command_latency, &command_map,
#ifdef HAVE_NCURSES
	&command_top,
#endif
	&command_trace, &command_record, &command_report, &command_heat,
};

static const struct command *running;

void (*before_failing)(void);

/* ---- complaints ---- */

static void complain(const char *format, va_list args)
{
	char text[8192], *c;

	fflush(stdout);
	vsnprintf(text, sizeof(text), format, args);
	/* Programs and mount points have any name that a user gave them: it steers no terminal. */
	for (c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	fprintf(stderr, "vmdemo%s%s: %s\n", running ? " " : "", running ? running->name : "", text);
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

void fail(const char *format, ...)
{
	va_list args;

	if (before_failing)
		before_failing();
	va_start(args, format);
	complain(format, args);
	va_end(args);
	exit(STATUS_FAILED);
}

void usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
	fprintf(stderr, "Try 'vmdemo %s%s--help'.\n", running ? running->name : "",
		running ? " " : "");
	exit(STATUS_USAGE);
}

/* ---- arguments ---- */

static void print_command_help(const struct command *command)
{
	printf("Usage: vmdemo %s %s\n\n%s\n%s%s", command->name, command->usage, command->summary,
	       *command->help ? "\n" : "", command->help);
}

int next_option(int argc, char **argv, const char *letters, const struct option *names)
{
	int option = getopt_long(argc, argv, letters, names, NULL);

	if (option == 'h') {
		print_command_help(running);
		exit(STATUS_DONE);
	}
	if (option == '?') {
		fprintf(stderr, "Try 'vmdemo %s --help'.\n", running->name);
		exit(STATUS_USAGE);
	}
	return option;
}

void no_more_arguments(int argc, char **argv, int most)
{
	if (argc - optind > most)
		usage_error("'%s' is one argument too many.", argv[optind + most]);
}

bool number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	char *end;

	/* strtoull() takes signs and blanks. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && !*end && *value >= least && *value <= most;
}

/* ---- memory ---- */

void *need_memory(void *memory)
{
	if (!memory)
		fail("there is not enough memory.");
	return memory;
}

char *text_of(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return need_memory(text);
}

/* ---- main ---- */

static void print_help(void)
{
	size_t i;

	puts("Usage: vmdemo COMMAND [ARGUMENT...]\n\n"
	     "See and steer the devices of vmdemo, virtual memory as a kernel module.\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-7s %s\n", commands[i]->name, commands[i]->summary);
	puts("\nDEV is vmdemo, vmdemo1, ..., also with /dev/ before it; where it may be left out, it is\n"
	     "the first. 'vmdemo COMMAND --help' says more of a command, and vmdemo(1) of all.\n"
	     "\nThe status is 0 if all was done, 1 if it failed, 2 if the arguments are wrong.");
}

/* What was printed may have met a full disk. */
static int flushed(int status)
{
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_DONE) {
		note("the output cannot be written: %s.", strerror(errno ? errno : EIO));
		return STATUS_FAILED;
	}
	return status;
}

int main(int argc, char **argv)
{
	size_t i;

	setlocale(LC_CTYPE, "");
	if (argc < 2)
		usage_error("say what to do.");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help();
		return flushed(STATUS_DONE);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("vmdemo " VMDEMO_VERSION);
		return flushed(STATUS_DONE);
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i]->name))
			break;
	if (i == ARRAY_SIZE(commands))
		usage_error("there is no command '%s'.", argv[1]);
	running = commands[i];
	argv[1] = text_of("vmdemo %s", running->name);
	return flushed(running->run(argc - 1, argv + 1));
}
