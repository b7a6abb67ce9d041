// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A writer on a raw device and its own record of what must be there: the judge of
 * "no lost write" that knows nothing of the module.
 *
 *   shadow write DEVICE LOG SEED [PAUSE_US]
 *       Four threads write, zero and flush at random until SIGTERM; then the whole
 *       device is read and compared with LOG. What is overwritten is mostly read and
 *       compared before, so that the next write does not cover up a lost one. A call
 *       that fails ends it at once. Prints "writes N slowest N ms".
 *   shadow check IMAGE LOG [LATER [START]]
 *       Compare a device or an image with LOG. With LATER, a copy of the log made
 *       after the image was cut, LOG being one made before, each sector must be at
 *       least what was complete then and at most what was begun by LATER. START:
 *       the image's first sector on the device.
 *
 * LOG has two numbers for each sector: that of the latest write begun and of the
 * latest complete, 0 for none. It is mapped, so a copy made while the writer runs
 * is good for what check wants of it: numbers only grow. A sector's content is made
 * of its address and the number of the write, so what is found says where it is
 * from. Writes of one number in LOG_ZEROES zero their sectors. A second run on the
 * same log continues the first.
 *
 * Exit status: 0, or 1 with the first wrong sectors on standard error.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	SECTOR_BYTES = 512,
	SECTOR_WORDS = SECTOR_BYTES / 8,
	NR_WRITERS = 4,
	WRITE_SECTORS_MAX = 2048,
	READ_SECTORS_MAX = 128,
	LOG_ZEROES = 32,
	SHOWN_MAX = 10,
};

struct log {
	uint64_t nr_sectors;
	volatile uint32_t *begun, *complete; /* by sector */
};

struct writer {
	pthread_t thread;
	int fd;
	const struct log *log;
	uint64_t first, end; /* its own sectors */
	uint64_t random_state;
	unsigned int unit;   /* sectors of a logical block */
	useconds_t pause;
	uint32_t number;
	uint64_t nr_writes;
	uint64_t slowest_ns;
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool zeroes(uint32_t number)
{
	return mix(number) % LOG_ZEROES == 0;
}

/* ------------------------------------------------------------------------- content */

static void fill_sector(uint64_t *words, uint64_t sector, uint32_t number)
{
	uint64_t step = mix(sector << 32 ^ number) | 1;

	words[0] = sector;
	words[1] = number;
	for (int i = 2; i < SECTOR_WORDS; i++)
		words[i] = words[i - 1] + step;
}

static bool is_zero(const uint64_t *words)
{
	for (int i = 0; i < SECTOR_WORDS; i++)
		if (words[i])
			return false;
	return true;
}

static bool zeroed_between(uint32_t low, uint32_t high)
{
	for (uint32_t n = low; n <= high && n; n++)
		if (zeroes(n))
			return true;
	return false;
}

/* Is this the sector as it was at a moment when it had seen writes low to high? */
static bool sector_is_fine(const uint64_t *words, uint64_t sector, uint32_t low, uint32_t high)
{
	uint64_t expected[SECTOR_WORDS];
	uint32_t number = (uint32_t)words[1];

	if (!high)
		return true;
	if (is_zero(words))
		return !low || zeroed_between(low, high);
	fill_sector(expected, sector, number);
	if (words[1] != number || memcmp(words, expected, sizeof(expected)))
		return !low;
	return number >= low && number <= high && !zeroes(number);
}

/* ----------------------------------------------------------------------------- log */

static void map_log(const char *path, uint64_t nr_sectors, struct log *ret_log)
{
	bool make = nr_sectors != 0;
	int fd = open(path, make ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	size_t bytes = nr_sectors * 2 * sizeof(uint32_t);
	struct stat st;
	void *map;

	if (fd < 0 || (make && ftruncate(fd, (off_t)bytes)) || fstat(fd, &st))
		err(1, "%s", path);
	map = mmap(NULL, (size_t)st.st_size, make ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
		   fd, 0);
	if (map == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	ret_log->nr_sectors = (uint64_t)st.st_size / (2 * sizeof(uint32_t));
	ret_log->begun = map;
	ret_log->complete = ret_log->begun + ret_log->nr_sectors;
}

static uint32_t latest_number(const struct log *log, uint64_t first, uint64_t end)
{
	uint32_t latest = 0;

	for (uint64_t s = first; s < end; s++)
		if (log->begun[s] > latest)
			latest = log->begun[s];
	return latest;
}

/* --------------------------------------------------------------------------- check */

static unsigned int check_piece(const uint8_t *data, uint64_t at, uint64_t nr, uint64_t start,
				const struct log *low, const struct log *high, unsigned int nr_wrong)
{
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t sector = start + at + i;
		const uint64_t *words = (const void *)(data + i * SECTOR_BYTES);

		if (sector >= low->nr_sectors)
			break;
		if (sector_is_fine(words, sector, low->complete[sector], high->begun[sector]))
			continue;
		if (nr_wrong++ < SHOWN_MAX)
			fprintf(stderr, "shadow: sector %" PRIu64 ": write %" PRIu64 " of sector "
				"%" PRIu64 ", not %u to %u\n", sector, words[1], words[0],
				low->complete[sector], high->begun[sector]);
	}
	return nr_wrong;
}

static int check(const char *image, const struct log *low, const struct log *high, uint64_t start)
{
	int fd = open(image, O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint8_t *buffer = aligned_alloc(4096, 1 << 20);
	unsigned int nr_wrong = 0;
	uint64_t at = 0;
	ssize_t got;

	if (fd < 0) /* tmpfs */
		fd = open(image, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !buffer)
		err(1, "%s", image);
	while ((got = pread(fd, buffer, 1 << 20, (off_t)(at * SECTOR_BYTES))) > 0) {
		nr_wrong = check_piece(buffer, at, (uint64_t)got / SECTOR_BYTES, start, low, high,
				       nr_wrong);
		at += (uint64_t)got / SECTOR_BYTES;
	}
	if (got < 0)
		err(1, "%s", image);
	if (!at || !latest_number(low, 0, low->nr_sectors))
		errx(1, "%s: there was nothing to compare", image);
	if (nr_wrong)
		errx(1, "%s: %u sectors are wrong", image, nr_wrong);
	close(fd);
	free(buffer);
	return 0;
}

/* --------------------------------------------------------------------------- write */

static uint64_t random_below(struct writer *w, uint64_t limit)
{
	w->random_state += 0x9e3779b97f4a7c15;
	return mix(w->random_state) % limit;
}

static uint64_t random_length(struct writer *w)
{
	switch (random_below(w, 8)) {
	case 0:
		return 1 + random_below(w, WRITE_SECTORS_MAX);
	case 1:
		return 128;
	case 2:
	case 3:
		return 1 + random_below(w, 24);
	default:
		return 8;
	}
}

/* In whole logical blocks, inside the writer's own sectors. */
static void choose_range(struct writer *w, uint64_t *ret_first, uint64_t *ret_nr)
{
	uint64_t room = (w->end - w->first) / w->unit;
	uint64_t nr = (random_length(w) + w->unit - 1) / w->unit;

	if (nr > room)
		nr = room;
	*ret_first = w->first + random_below(w, room - nr + 1) * w->unit;
	*ret_nr = nr * w->unit;
}

static void write_range(struct writer *w, uint64_t first, uint64_t nr, uint8_t *buffer)
{
	ssize_t bytes = (ssize_t)(nr * SECTOR_BYTES);
	uint64_t range[2] = { first * SECTOR_BYTES, nr * SECTOR_BYTES };
	uint64_t i;

	if (zeroes(w->number)) {
		if (ioctl(w->fd, BLKZEROOUT, range))
			err(1, "zeroing %" PRIu64 " sectors at %" PRIu64, nr, first);
		return;
	}
	for (i = 0; i < nr; i++)
		fill_sector((uint64_t *)(void *)(buffer + i * SECTOR_BYTES), first + i, w->number);
	if (pwrite(w->fd, buffer, (size_t)bytes, (off_t)(first * SECTOR_BYTES)) != bytes)
		err(1, "writing %" PRIu64 " sectors at %" PRIu64, nr, first);
}

static void read_range(struct writer *w, uint64_t first, uint64_t nr, uint8_t *buffer)
{
	ssize_t bytes = (ssize_t)(nr * SECTOR_BYTES);

	if (pread(w->fd, buffer, (size_t)bytes, (off_t)(first * SECTOR_BYTES)) != bytes)
		err(1, "reading %" PRIu64 " sectors at %" PRIu64, nr, first);
	if (check_piece(buffer, first, nr, 0, w->log, w->log, 0))
		errx(1, "%" PRIu64 " sectors at %" PRIu64 " are not as written", nr, first);
}

static void step(struct writer *w, uint8_t *buffer)
{
	uint64_t first, nr, s, start;

	choose_range(w, &first, &nr);
	if (nr <= READ_SECTORS_MAX)
		read_range(w, first, nr, buffer);
	w->number++;
	for (s = first; s < first + nr; s++)
		w->log->begun[s] = w->number;
	__sync_synchronize();
	start = now_ns();
	write_range(w, first, nr, buffer);
	if (now_ns() - start > w->slowest_ns)
		w->slowest_ns = now_ns() - start;
	__sync_synchronize();
	for (s = first; s < first + nr; s++)
		w->log->complete[s] = w->number;
	w->nr_writes++;
	if (random_below(w, 64) == 0 && fsync(w->fd))
		err(1, "fsync");
	if (w->pause)
		usleep(w->pause);
}

static void *write_until_stopped(void *argument)
{
	struct writer *w = argument;
	uint8_t *buffer = aligned_alloc(4096, WRITE_SECTORS_MAX * SECTOR_BYTES);

	if (!buffer)
		err(1, "memory");
	while (!stopped)
		step(w, buffer);
	free(buffer);
	return NULL;
}

static void start_writer(struct writer *w, int n, uint64_t nr_sectors)
{
	uint64_t share = nr_sectors / NR_WRITERS / w->unit * w->unit;

	w->first = (uint64_t)n * share;
	w->end = n == NR_WRITERS - 1 ? nr_sectors : w->first + share;
	w->random_state += (uint64_t)n << 48;
	w->number = latest_number(w->log, w->first, w->end);
	if (pthread_create(&w->thread, NULL, write_until_stopped, w))
		err(1, "threads");
}

static int write_device(const char *device, const char *log_path, uint64_t seed, useconds_t pause)
{
	struct writer writers[NR_WRITERS];
	struct log log;
	uint64_t bytes = 0, nr_writes = 0, slowest_ns = 0;
	int block_bytes = 0;
	int fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) || ioctl(fd, BLKSSZGET, &block_bytes))
		err(1, "%s", device);
	map_log(log_path, bytes / SECTOR_BYTES, &log);
	for (int n = 0; n < NR_WRITERS; n++) {
		writers[n] = (struct writer){
			.fd = fd,
			.log = &log,
			.random_state = seed,
			.unit = (unsigned int)block_bytes / SECTOR_BYTES,
			.pause = pause,
		};
		start_writer(&writers[n], n, log.nr_sectors);
	}
	for (int n = 0; n < NR_WRITERS; n++) {
		pthread_join(writers[n].thread, NULL);
		nr_writes += writers[n].nr_writes;
		if (writers[n].slowest_ns > slowest_ns)
			slowest_ns = writers[n].slowest_ns;
	}
	printf("writes %" PRIu64 " slowest %" PRIu64 " ms\n", nr_writes, slowest_ns / 1000000);
	fflush(stdout);
	return check(device, &log, &log, 0);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	struct log low, high;

	if (argc >= 5 && !strcmp(argv[1], "write")) {
		sigaction(SIGTERM, &action, NULL);
		return write_device(argv[2], argv[3], strtoull(argv[4], NULL, 0),
				    argc > 5 ? (useconds_t)atoi(argv[5]) : 0);
	}
	if (argc < 4 || strcmp(argv[1], "check"))
		errx(1, "the verbs are in the source's head");
	map_log(argv[3], 0, &low);
	map_log(argc > 4 ? argv[4] : argv[3], 0, &high);
	return check(argv[2], &low, &high, argc > 5 ? strtoull(argv[5], NULL, 0) : 0);
}
