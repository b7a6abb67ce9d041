// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 the Tidemark authors
/*
 * ckwriter DIR LOG SECONDS SEED
 *
 * Creates, overwrites, appends to, renames, replaces and deletes files below
 * DIR, in an order that SEED decides, for SECONDS or (0) until SIGTERM. Some
 * operations are synced. LOG, which must lie on another file system, tells
 * what a crash or a cut must preserve; ckverify reads it. A line each:
 *
 *	touch TIME PATH			PATH is about to be changed: written
 *					before the first system call that does
 *	synced TIME PATH SHA256 SIZE	the file and its directory are synced:
 *					written after the last fsync returned
 *	gone TIME PATH			there is no such file, and its directory
 *					is synced
 *
 * TIME is CLOCK_REALTIME in nanoseconds. From a PATH's "synced" to its next
 * "touch" its content on the device is known, whatever happens. Nothing is
 * known between "touch" and the next "synced" or "gone".
 *
 * The program holds the content of every file, so what it logs is what it
 * wrote and not what the kernel gave back. Files found in DIR at the start are
 * read in and taken over, unsynced: a second run continues the first.
 *
 * Any error ends it with status 1: a full disk is the test's mistake, and a
 * failed write is a finding.
 */
#include "common/file.h"
#include "common/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	NR_DIRS = 8,
	NR_SLOTS = 240,
	MAX_BYTES = 192 * 1024,
	DIRECT_ALIGN = 4096,
	PATH_SIZE = 32,
};

/* A slot is a path; the file behind it comes and goes. */
struct slot {
	uint8_t *data;
	size_t size;
	bool exists;
};

static struct slot slots[NR_SLOTS];
static int root_fd, log_fd;
static uint64_t random_state;
static volatile sig_atomic_t stopped;

static void die(const char *what)
{
	fprintf(stderr, "ckwriter: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* splitmix64 */
static uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t random_below(size_t limit)
{
	return random_u64() % limit;
}

/* Half of what is written compresses well, as files do. */
static void fill(uint8_t *data, size_t size)
{
	uint64_t word = random_u64();
	bool repeats = word & 1;

	for (size_t i = 0; i < size; i++) {
		if (i % 8 == 0 && (!repeats || i % 512 == 0))
			word = random_u64();
		data[i] = word >> (8 * (i % 8));
	}
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void slot_path(int slot, char ret_path[PATH_SIZE])
{
	snprintf(ret_path, PATH_SIZE, "d%d/f%03d", slot % NR_DIRS, slot);
}

/* One write(2) per line: after a crash only the last line can be torn. */
static void __attribute__((format(printf, 1, 2))) log_line(const char *format, ...)
{
	char line[256];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (write(log_fd, line, size) != size)
		die("log");
}

static void log_touch(int slot)
{
	char path[PATH_SIZE];

	slot_path(slot, path);
	log_line("touch %" PRIu64 " %s\n", clock_ns(CLOCK_REALTIME), path);
}

static void log_settled(int slot)
{
	char path[PATH_SIZE], hex[SHA256_HEX_SIZE];
	uint64_t now = clock_ns(CLOCK_REALTIME);

	slot_path(slot, path);
	if (!slots[slot].exists) {
		log_line("gone %" PRIu64 " %s\n", now, path);
		return;
	}
	sha256_hex(slots[slot].data, slots[slot].size, hex);
	log_line("synced %" PRIu64 " %s %s %zu\n", now, path, hex, slots[slot].size);
}

static int open_path(const char *path, int flags)
{
	int fd = openat(root_fd, path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die(path);
	return fd;
}

static void sync_path(const char *path, int flags)
{
	int fd = open_path(path, flags);

	if (fsync(fd))
		die("fsync");
	close(fd);
}

static void sync_slot(int slot)
{
	char path[PATH_SIZE];

	slot_path(slot, path);
	if (slots[slot].exists)
		sync_path(path, O_RDONLY);
	path[strcspn(path, "/")] = 0;
	sync_path(path, O_RDONLY | O_DIRECTORY);
	log_settled(slot);
}

static void write_range(int fd, const struct slot *s, size_t from, size_t to)
{
	while (from < to) {
		ssize_t n = pwrite(fd, s->data + from, to - from, from);

		if (n < 0)
			die("write");
		from += n;
	}
}

static void set_size(struct slot *s, size_t size)
{
	s->data = realloc(s->data, size + 1);
	if (!s->data)
		die("memory");
	s->size = size;
}

static void write_new(int slot, const char *path)
{
	struct slot *s = &slots[slot];
	int fd;

	set_size(s, random_below(MAX_BYTES));
	fill(s->data, s->size);
	s->exists = true;
	fd = open_path(path, O_WRONLY | O_CREAT | O_TRUNC);
	write_range(fd, s, 0, s->size);
	close(fd);
}

/* Also what overwrites a file from its beginning: create truncates it. */
static void do_create(int slot)
{
	char path[PATH_SIZE];

	slot_path(slot, path);
	log_touch(slot);
	write_new(slot, path);
}

static void do_append(int slot)
{
	struct slot *s = &slots[slot];
	size_t old = s->size;
	char path[PATH_SIZE];
	int fd;

	slot_path(slot, path);
	log_touch(slot);
	set_size(s, old + random_below(MAX_BYTES - old + 1));
	fill(s->data + old, s->size - old);
	fd = open_path(path, O_WRONLY);
	write_range(fd, s, old, s->size);
	close(fd);
}

static void do_overwrite(int slot)
{
	struct slot *s = &slots[slot];
	size_t from = random_below(s->size + 1), to = from + random_below(s->size - from + 1);
	char path[PATH_SIZE];
	int fd;

	slot_path(slot, path);
	log_touch(slot);
	fill(s->data + from, to - from);
	fd = open_path(path, O_WRONLY);
	write_range(fd, s, from, to);
	close(fd);
}

/* Whole aligned blocks past the page cache, where the file system can. */
static void do_overwrite_direct(int slot)
{
	struct slot *s = &slots[slot];
	size_t from = random_below(s->size / DIRECT_ALIGN + 1) * DIRECT_ALIGN;
	size_t size = (s->size - from) / DIRECT_ALIGN * DIRECT_ALIGN;
	char path[PATH_SIZE];
	void *buffer;
	int fd;

	slot_path(slot, path);
	fd = openat(root_fd, path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || !size) {
		if (fd < 0 && errno != EINVAL)
			die(path);
		if (fd >= 0)
			close(fd);
		do_overwrite(slot);
		return;
	}
	log_touch(slot);
	fill(s->data + from, size);
	if (posix_memalign(&buffer, DIRECT_ALIGN, size))
		die("memory");
	memcpy(buffer, s->data + from, size);
	if (pwrite(fd, buffer, size, from) != (ssize_t)size)
		die("direct write");
	free(buffer);
	close(fd);
}

/* The way careful programs replace a file: write aside, sync, rename over. */
static void do_replace(int slot)
{
	char path[PATH_SIZE], aside[PATH_SIZE + 4];

	slot_path(slot, path);
	snprintf(aside, sizeof(aside), "%s.new", path);
	log_touch(slot);
	write_new(slot, aside);
	sync_path(aside, O_RDONLY);
	if (renameat(root_fd, aside, root_fd, path))
		die("rename");
}

/* To a path that may have a file, which is then gone. */
static void do_rename(int from, int to)
{
	char old_path[PATH_SIZE], new_path[PATH_SIZE];

	slot_path(from, old_path);
	slot_path(to, new_path);
	log_touch(from);
	log_touch(to);
	if (renameat(root_fd, old_path, root_fd, new_path))
		die("rename");
	free(slots[to].data);
	slots[to] = slots[from];
	slots[from] = (struct slot){0};
}

static void do_delete(int slot)
{
	char path[PATH_SIZE];

	slot_path(slot, path);
	log_touch(slot);
	if (unlinkat(root_fd, path, 0))
		die("unlink");
	free(slots[slot].data);
	slots[slot] = (struct slot){0};
}

static void change_existing(int slot, int other)
{
	switch (random_below(9)) {
	case 0:
		do_delete(slot);
		break;
	case 1:
		if (slot != other)
			do_rename(slot, other);
		break;
	case 2:
		do_create(slot);
		break;
	case 3:
		do_replace(slot);
		break;
	case 4:
	case 5:
		do_append(slot);
		break;
	case 6:
		do_overwrite_direct(slot);
		break;
	default:
		do_overwrite(slot);
	}
}

/* Change something; sync what was changed in every second step. */
static void step(void)
{
	int slot = random_below(NR_SLOTS), other = random_below(NR_SLOTS);

	if (slots[slot].exists)
		change_existing(slot, other);
	else
		do_create(slot);
	if (random_below(2))
		sync_slot(slot);
	if (random_below(4) == 0)
		sync_slot(other);
}

/* Make the directories, durably, and take over the files that are there. */
static void take_over(void)
{
	char path[PATH_SIZE];

	for (int i = 0; i < NR_DIRS; i++) {
		snprintf(path, sizeof(path), "d%d", i);
		if (mkdirat(root_fd, path, 0755) && errno != EEXIST)
			die(path);
	}
	if (fsync(root_fd))
		die("fsync");
	sync_path("..", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < NR_SLOTS; i++) {
		int r;

		slot_path(i, path);
		r = file_read(root_fd, path, &slots[i].data, &slots[i].size);
		if (r && r != -ENOENT) {
			errno = -r;
			die(path);
		}
		slots[i].exists = !r;
	}
}

static void listen_to_signals(void)
{
	struct sigaction action = {.sa_handler = stop};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

int main(int argc, char **argv)
{
	uint64_t end;

	if (argc != 5) {
		fprintf(stderr, "usage: ckwriter DIR LOG SECONDS SEED\n");
		return 2;
	}
	listen_to_signals();
	root_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		die(argv[1]);
	log_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log_fd < 0)
		die(argv[2]);
	random_state = strtoull(argv[4], NULL, 0);
	end = strtoull(argv[3], NULL, 0) * 1000000000;
	if (end)
		end += clock_ns(CLOCK_MONOTONIC);
	take_over();
	while (!stopped && (!end || clock_ns(CLOCK_MONOTONIC) < end))
		step();
	return 0;
}
