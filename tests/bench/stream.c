// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * stream REPOSITORY MIB FILE...
 *
 * What the agent costs for each GiB that is streamed: records with payloads from the FILEs
 * are put into a ring as the module does it, and kept by the agent's own recorder in a new
 * repository. The thread that plays the module is not counted. The bound is LZ4 and SHA-256 of
 * the same payloads, one after another, in one thread.
 *
 * Prints "cpu_vs_bound= journal_bytes_per_byte= rss_mib=", and on standard error what they
 * are made of. rss_mib is anonymous memory: not the ring, which is the module's, nor the FILEs.
 */
#include "agent/recorder.h"
#include "common/failure.h"

#include <err.h>
#include <fcntl.h>
#include <lz4.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <uapi/tidemark.h>
#include <unistd.h>

#define RING_BYTES TIDEMARK_RING_BYTES_DEFAULT
#define POOL_BYTES (64u << 20)
#define MIB        (1u << 20)

/* ---------------------------------------------------------- the module's part */

struct channel {
	struct channel_info info;
	struct ring ring;
	struct handover_page page;
	struct tidemark_ring_producer producer;
	uint8_t *data;
	uint64_t position, seq;
	int event_fd; /* readable while records wait */
};

const struct channel_info *channel_info(const struct channel *channel)
{
	return &channel->info;
}

/* Whoever asks is about to drain it, or to wait. */
struct ring *channel_ring(struct channel *channel)
{
	return &channel->ring;
}

int channel_fd(const struct channel *channel)
{
	return channel->event_fd;
}

int channel_last_seq(struct channel *channel, uint64_t *ret_seq)
{
	*ret_seq = channel->seq;
	return 0;
}

struct handover_page *channel_handover(struct channel *channel)
{
	return &channel->page;
}

static uint8_t *map_twice(size_t bytes)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *at = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || at == MAP_FAILED || ftruncate(fd, (off_t)bytes) < 0)
		err(1, "ring");
	for (size_t i = 0; i < 2; i++)
		if (mmap(at + i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 0) == MAP_FAILED)
			err(1, "ring");
	close(fd);
	return at;
}

static void produce(struct channel *channel, struct tidemark_record *record, const void *payload)
{
	uint8_t *at = channel->data + channel->position % RING_BYTES;
	eventfd_t count;

	/* Not readable while nothing waits, as the module's is. */
	if (__atomic_load_n(&channel->page.consumer.consumer_pos, __ATOMIC_ACQUIRE) == channel->position)
		eventfd_read(channel->event_fd, &count);
	record->record_bytes = (uint32_t)(sizeof(*record) + record->payload_bytes + 63) / 64 * 64;
	record->seq = ++channel->seq;
	record->time_ns = (uint64_t)time(NULL) * 1000000000u;
	while (channel->position + record->record_bytes -
		       __atomic_load_n(&channel->page.consumer.consumer_pos, __ATOMIC_ACQUIRE) > RING_BYTES)
		usleep(200);
	memcpy(at, record, sizeof(*record));
	if (payload)
		memcpy(at + sizeof(*record), payload, record->payload_bytes);
	channel->position += record->record_bytes;
	__atomic_store_n(&channel->producer.producer_pos, channel->position, __ATOMIC_RELEASE);
	eventfd_write(channel->event_fd, 1);
}

/* ------------------------------------------------------------------- content */

static uint8_t *pool;

static void fill_pool(char **paths)
{
	size_t used = 0;

	pool = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pool == MAP_FAILED)
		err(1, "pool");
	for (; *paths && used < POOL_BYTES; paths++) {
		int fd = open(*paths, O_RDONLY | O_CLOEXEC);
		ssize_t got;

		if (fd < 0)
			err(1, "%s", *paths);
		while (used < POOL_BYTES && (got = read(fd, pool + used, POOL_BYTES - used)) > 0)
			used += (size_t)got;
		close(fd);
	}
	if (used < POOL_BYTES)
		errx(1, "the files have no %u bytes", POOL_BYTES);
}

/* Sizes as file systems write: mostly small ones, most bytes in large ones. */
static uint32_t next_payload(uint64_t nth, const uint8_t **ret_payload)
{
	static const uint32_t sizes[] = { 4096, 4096, 8192, 4096, 16384, 65536, 4096, 524288 };
	uint32_t bytes = sizes[nth % 8];

	*ret_payload = pool + nth * 1048583 % ((POOL_BYTES - bytes) / 512) * 512;
	return bytes;
}

static double cpu_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t anonymous_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %llu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

/* ---------------------------------------------------------------------- bound */

static double bound_cpu_s(uint64_t bytes)
{
	int room = LZ4_compressBound(524288);
	char *out = malloc((size_t)room);
	double start = cpu_s(CLOCK_THREAD_CPUTIME_ID);
	uint8_t hash[SHA256_DIGEST_LENGTH];
	uint64_t done = 0;

	for (uint64_t nth = 0; done < bytes; nth++) {
		const uint8_t *payload;
		uint32_t size = next_payload(nth, &payload);

		if (LZ4_compress_default((const char *)payload, out, (int)size, room) <= 0)
			errx(1, "LZ4");
		SHA256(payload, size, hash);
		done += size;
	}
	free(out);
	return cpu_s(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* --------------------------------------------------------------------- module */

struct module {
	struct channel channel;
	uint64_t bytes; /* to be streamed */
	double cpu_s;
	uint64_t rss_bytes;
};

static void *play_module(void *argument)
{
	struct module *module = argument;
	uint64_t done = 0, volume_sectors = module->channel.info.volume_bytes / 512;
	struct tidemark_record record = {
		.type = TIDEMARK_RECORD_CUT, .flags = TIDEMARK_RECORD_STARTS, .epoch = 1,
	};

	produce(&module->channel, &record, NULL);
	for (uint64_t nth = 0; done < module->bytes; nth++) {
		const uint8_t *payload;
		uint32_t size = next_payload(nth, &payload);

		record = (struct tidemark_record){
			.type = TIDEMARK_RECORD_WRITE,
			.epoch = 1,
			.sector = nth * 1000003 * 8 % (volume_sectors - size / 512),
			.nr_sectors = size / 512,
			.payload_bytes = size,
		};
		produce(&module->channel, &record, payload);
		done += size;
		if (nth % 256 == 0 && anonymous_bytes() > module->rss_bytes)
			module->rss_bytes = anonymous_bytes();
	}
	module->cpu_s = cpu_s(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static uint64_t journal_bytes(struct tmc_repo *repo)
{
	struct tmc_segment *segments;
	uint64_t bytes = 0;
	size_t nr;

	if (tmc_segment_list(repo, NULL, &segments, &nr) < 0)
		errx(1, "%s", tmc_error_text());
	for (size_t i = 0; i < nr; i++)
		bytes += segments[i].bytes;
	free(segments);
	return bytes;
}

static double record_all(struct module *module, struct tmc_repo *repo)
{
	struct channel *channel = &module->channel;
	struct tmc_volume volume = { .volume_id = "bench", .volume_bytes = 1ull << 40 };
	struct recorder_request request = {
		.channel = channel,
		.source = { .fd = -1, .info = &channel->info },
		.repo = repo,
		.volume = &volume,
		.first_seq = 1,
		.rpo_ns = 5000000000u,
		.memory_bytes = 64u << 20,
	};
	double start = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
	struct recorder *recorder;
	pthread_t thread;

	channel->info.volume_bytes = volume.volume_bytes;
	channel->data = map_twice(RING_BYTES);
	channel->producer.stream_state = TIDEMARK_STREAM_ON;
	channel->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring_init(&channel->ring, &channel->page.consumer, &channel->producer, channel->data,
		  RING_BYTES);
	if (recorder_start(&request, &recorder) < 0 ||
	    pthread_create(&thread, NULL, play_module, module))
		errx(1, "%s", failure_text());
	pthread_join(thread, NULL);
	if (recorder_stop(recorder) < 0)
		errx(1, "%s", failure_text());
	return cpu_s(CLOCK_PROCESS_CPUTIME_ID) - start - module->cpu_s;
}

int main(int argc, char **argv)
{
	static struct module module;
	struct tmc_repo *repo;
	double gib, cpu, bound;

	if (argc < 4)
		errx(2, "see the head of stream.c");
	module.bytes = strtoull(argv[2], NULL, 10) * MIB;
	gib = (double)module.bytes / (1u << 30);
	fill_pool(argv + 3);
	if (tmc_repo_create(argv[1], TMC_CHUNK_BYTES_DEFAULT) < 0 || tmc_repo_open(argv[1], &repo) < 0)
		errx(1, "%s", tmc_error_text());
	bound = bound_cpu_s(module.bytes / 2);
	cpu = record_all(&module, repo);
	bound += bound_cpu_s(module.bytes / 2);
	fprintf(stderr, "%.2f GiB: agent %.3f CPU s per GiB, LZ4 and SHA-256 %.3f\n", gib, cpu / gib,
		bound / gib);
	printf("cpu_vs_bound=%.2f journal_bytes_per_byte=%.3f rss_mib=%.0f\n", cpu / bound,
	       (double)journal_bytes(repo) / (double)module.bytes, (double)module.rss_bytes / MIB);
	tmc_repo_close(repo);
	return 0;
}
