/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tool.h - what the subcommands of vmdemo share
 */
#ifndef VMDEMO_TOOL_H
#define VMDEMO_TOOL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <vmdemo.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- main.c: subcommands, and how they end ---- */

/* The status of vmdemo: everything was done; it was not; it was asked for in a wrong way. */
enum {
	STATUS_DONE,
	STATUS_FAILED,
	STATUS_USAGE,
};

/**
 * struct command - a subcommand
 * @name:    as given
 * @usage:   its arguments
 * @summary: what it does, in one line
 * @help:    all else that --help prints
 * @run:     gets its own name as argv[0]; returns a status
 */
struct command {
	const char *name;
	const char *usage;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct command command_list, command_info, command_set, command_bind, command_unbind,
	command_stat, command_latency, command_map, command_top, command_trace, command_record,
	command_report, command_heat;

/* The next option, as of getopt_long(3); does not return for --help and for what is not known. */
int next_option(int argc, char **argv, const char *letters, const struct option *names);

/* End with a sentence on stderr. */
void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...);
void __attribute__((noreturn, format(printf, 1, 2))) usage_error(const char *format, ...);
/* What fail() does first: leave the screen, stop tracing. */
extern void (*before_failing)(void);
/* A sentence on stderr, and no more. */
void __attribute__((format(printf, 1, 2))) note(const char *format, ...);

/* End the usage of a command that has got @most arguments or fewer. */
void no_more_arguments(int argc, char **argv, int most);

/* A number of at least @least in @text, all of it; false if it is none. */
bool number(const char *text, uint64_t least, uint64_t most, uint64_t *value);

void *need_memory(void *memory);
char __attribute__((format(printf, 1, 2))) *text_of(const char *format, ...);

/* ---- devices.c: devices and their attributes ---- */

#define CLASS_DIR	"/sys/class/vmdemo"
#define MOST_DEVICES	16

/* The counters and gauges that uapi/ABI.txt has. */
enum stat_nr {
#define SETTING(name, text)
#define FACT(name, text)
#define COUNTER(name, text)	STAT_##name,
#define GAUGE(name, text)	STAT_##name,
#include "attributes.h"
#undef SETTING
#undef FACT
#undef COUNTER
#undef GAUGE
	NR_STATS
};

enum kind {
	KIND_SETTING,
	KIND_FACT,
	KIND_COUNTER,
	KIND_GAUGE,
};

/* All attributes of uapi/ABI.txt, in its order; the last has no name. */
struct attribute {
	const char *name;
	const char *text;
	enum kind kind;
	enum stat_nr stat;
};

extern const struct attribute attributes[];

/* Counters and gauges at a time; a module that is older than this program lacks some. */
struct stats {
	uint64_t ns;
	uint64_t value[NR_STATS];
	bool known[NR_STATS];
};

/* Names of the devices that there are, by number; how many. */
size_t device_names(char names[MOST_DEVICES][16]);

/*
 * The device that is meant by "vmdemo1", "/dev/vmdemo1", or NULL, which is the first. Ends the
 * program if there is none.
 */
const char *device_meant(const char *argument);

/* Of vmdemo, vmdemo1 and so on; -1: it is none. */
int device_number(const char *name);
bool is_device_name(const char *argument);

/* What /proc calls a sparse space. */
#define SPACE_LINK	"/vmdemo_space (deleted)"

/* Of "[lru] fifo" leave the word in brackets; a value without is left as it is. */
void keep_bracketed(char *value);

/* 0 or -errno. A value has no newline at its end. */
int attribute_read(const char *device, const char *name, char *value, size_t size);
int attribute_write(const char *device, const char *name, const char *value);
/* Of one that must be there; 0 or what it holds. */
uint64_t attribute_number(const char *device, const char *name);

/* -ENODEV if the device is gone. Without @all those are left out that take long. */
int stats_read(const char *device, struct stats *stats, bool all);

/* The device was there, and is no more. */
void __attribute__((noreturn)) device_gone(const char *device);

/* ---- print.c: numbers for people, JSON for scripts ---- */

/* Five characters at most, with k, M, G for thousands; @text has room for them and is returned. */
#define SHORT_NUMBER	8
char *short_number(char text[SHORT_NUMBER], double value);
/* "64.0 MiB" */
#define SIZE_TEXT	16
char *size_text(char text[SIZE_TEXT], uint64_t bytes);
/* "1.25 ms", in three digits */
#define TIME_TEXT	32
char *time_text(char text[TIME_TEXT], uint64_t ns);

/* JSON on stdout; @key is NULL in arrays, and outside. */
void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_string(const char *key, const char *value);
void json_number(const char *key, uint64_t value);
void json_real(const char *key, double value);
void json_bool(const char *key, bool value);
void json_end(void);
/* A value of an attribute: a number if it is one. */
void json_value(const char *key, const char *value);

/* ---- busy.c: why a block device, or ours, cannot be had ---- */

/* A sentence that says why it is not fit to be bound, to be freed; NULL if nothing is known. */
char *unfit_block_device(const char *path);

/* The programs that have a device of ours open or mapped, as "a (1), b (2)"; NULL: none is seen. */
char *users_of(const char *device);

/* What the kernel's log has said of a device last since @log was opened, to be freed; or NULL. */
int log_open(void);
char *log_words(int log, const char *device);

/* ---- set.c ---- */

/* Set a setting: NULL, or why not, to be freed; *@told: NULL, or what else is to be said of it. */
char *set_refused(const char *device, const char *name, const char *value, char **told);

/* ---- stat.c, prometheus.c ---- */

int print_prometheus(const char *device);

#endif /* VMDEMO_TOOL_H */
