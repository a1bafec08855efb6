// SPDX-License-Identifier: GPL-2.0
/*
 * print.c - numbers for people, JSON for scripts
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "tool.h"

char *short_number(char text[SHORT_NUMBER], double value)
{
	static const char units[] = "kMGTPE";
	const char *unit = units;

	if (value < 99999.5) {
		snprintf(text, SHORT_NUMBER, "%.0f", value);
		return text;
	}
	for (value /= 1000; value >= 9999.5 && unit[1]; value /= 1000)
		unit++;
	snprintf(text, SHORT_NUMBER, "%.0f%c", value, *unit);
	return text;
}

char *size_text(char text[SIZE_TEXT], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = bytes;
	size_t i = 0;

	for (; value >= 1024 && i + 1 < ARRAY_SIZE(units); value /= 1024)
		i++;
	snprintf(text, SIZE_TEXT, i ? "%.1f %s" : "%.0f %s", value, units[i]);
	return text;
}

char *time_text(char text[TIME_TEXT], uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = ns;
	size_t i = 0;

	for (; value >= 999.5 && i + 1 < ARRAY_SIZE(units); value /= 1000)
		i++;
	snprintf(text, TIME_TEXT, "%.*f %s", !i || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2,
		 value, units[i]);
	return text;
}

/* ---- JSON ---- */

static bool json_follows;

static void json_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ' || strchr("<>&", *text))
			printf("\\u%04x", *text); /* also for a place in HTML */
		else
			putchar(*text);
	}
	putchar('"');
}

static void json_begin(const char *key)
{
	if (json_follows)
		fputs(", ", stdout);
	json_follows = true;
	if (key) {
		json_text(key);
		fputs(": ", stdout);
	}
}

void json_open(const char *key, char bracket)
{
	json_begin(key);
	putchar(bracket);
	json_follows = false;
}

void json_close(char bracket)
{
	putchar(bracket);
	json_follows = true;
}

void json_string(const char *key, const char *value)
{
	json_begin(key);
	json_text(value);
}

void json_number(const char *key, uint64_t value)
{
	json_begin(key);
	printf("%" PRIu64, value);
}

void json_real(const char *key, double value)
{
	json_begin(key);
	printf("%.3f", value);
}

void json_bool(const char *key, bool value)
{
	json_begin(key);
	fputs(value ? "true" : "false", stdout);
}

void json_value(const char *key, const char *value)
{
	uint64_t n;

	if (number(value, 0, UINT64_MAX, &n))
		json_number(key, n);
	else
		json_string(key, value);
}

void json_end(void)
{
	putchar('\n');
	fflush(stdout);
	json_follows = false;
}
