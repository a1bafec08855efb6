/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tour.h - what the chapters of the tour share
 */
#ifndef TOUR_H
#define TOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmdemo.h>

#define PAGE	((size_t)VMDEMO_PAGE_SIZE)
#define RW	(PROT_READ | PROT_WRITE)

/* The disk holds data that is known: where it comes from, and a checksum of each page. */
extern const uint64_t *tour_sums;
extern size_t tour_pages;

void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...);

/* ---- telling ---- */

void say(const char *text);
void claim(const char *text);
/* A check that fails loudly: the tour goes on, and ends with an error. */
void __attribute__((format(printf, 2, 3))) check(bool right, const char *format, ...);
void coloured_text(const char *colour, const char *text);
/* The number after the chapter's on the command line, or the usual one. */
unsigned long knob(unsigned long usual);
/* What to type to look at it with the command vmdemo. */
void by_hand(const char *command);
void try_this(const char *command, const char *question, const char *answer);

/* ---- counters ---- */

uint64_t attribute(const char *name);
uint64_t counter(const char *name);
void set_attribute(const char *name, const char *value);
/* What counters were; and how much they have grown since, as a table: names parted by spaces. */
void count_from_here(void);
uint64_t counted(const char *name);
/* One that has grown since, or NULL. */
const char *what_moved(void);
void print_counted(const char *names);

/* ---- spaces ---- */

int open_device(void);
int make_space(int dev, size_t pages, const struct vmdemo_segment *segments, unsigned int nr);
struct vmdemo_segment segment(const char *name, size_t first, size_t pages, int prot);
char *map_pages(int fd, size_t first, size_t pages, int prot, void *place);
size_t act(int fd, unsigned long request, size_t first, size_t pages);
struct vmdemo_page page_of(int fd, size_t page);
void page_states(int fd, size_t first, size_t nr, struct vmdemo_page *pages);
struct vmdemo_segment_state segment_of(int fd, unsigned int number);
void set_limit(int fd, unsigned int number, size_t pages);

/* ---- drawing: where is each page? ---- */

void draw_key(void);
/* 64 pages in a line, each at its place; where a space with segments has no page it is blank. */
void draw_pages(int fd, const char *title, size_t first, size_t nr);
/* The signs of some pages, and no more. */
void draw_signs(int fd, size_t first, size_t nr);
/* All in one line, each sign of it for several pages. */
void draw_groups(int fd, const char *title, size_t nr);
/* The other way round: of which page each frame is, and each slot that is taken. */
void draw_frames(int fd, size_t nr, size_t frames);
void draw_slots(int fd, size_t nr);

/* ---- other things ---- */

uint64_t now_ns(void);
uint64_t sum_of(const char *page);
/* How many pages are this process's own, in all or in the mapping that begins at @place. */
uint64_t own_pages(const char *place);
/* Run in a child process; its exit status, or 128 and the signal that ended it. */
int in_child(int (*work)(void *), void *arg);
/* Two processes that are there at the same time: each does the first thing, and when both have, the
 * pair has begun; the second they do when it ends. Returns whether both came so far, and how many
 * of the two went wrong.
 */
struct pair {
	int pid[2];
	int on;
};

bool begin_pair(struct pair *pair, int (*first)(void *), int (*second)(void *), void *arg0,
		void *arg1);
int end_pair(struct pair *pair);
/* The signal that reading or writing a byte leads to, in a child; 0: none. */
int signal_of(char *place, bool write);

/* ---- a library, as a loader maps it ---- */

/* The file that scripts/run has built: libanswer.c, whose entry is its function. */
int open_library(void);
/* Map each part of the library in a file, or in a space, at its place after @place. */
void *load_library(int fd, char *place);
int call(void *function);

/* ---- the chapters, each in a file of its own ---- */

/* Pages of which chapter 5 makes private copies. */
#define FORK_PAGES	256

void chapter_memory(void);
void chapter_view(void);
void chapter_larger(void);
void chapter_layout(void);
void chapter_sharing(void);
void chapter_demand(void);
void chapter_fault(void);
void chapter_swapping(void);
void chapter_own(void);

#endif /* TOUR_H */
