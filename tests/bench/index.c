// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What an index costs: bytes, memory, CPU and reads per lookup; what it costs to
 * open a repository, list it and start a restore; and what other filters and LMDB
 * would cost. One line of name=value for each measurement; docs/index.md explains.
 * Page cache is warm: reads per lookup say what a cold one would add.
 *
 *	index-bench index|restore|lmdb NR DIRECTORY
 *	index-bench many NR_INDEXES DIRECTORY
 *	index-bench filters
 */
#include "tests/unit/synthetic.h"

#include "catalog/index_block.h"
#include "catalog/index_filter.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NR_LOOKUPS 500000u

#define must(expression)                                                            \
	do {                                                                        \
		int ret_ = (int)(expression);                                       \
		if (ret_ < 0) {                                                     \
			fprintf(stderr, "%s: %d %s\n", #expression, ret_, tmc_error_text()); \
			exit(1);                                                    \
		}                                                                   \
	} while (0)

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Anonymous memory, in KiB: the page cache is the machine's. */
static uint64_t memory_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "RssAnon: %lu", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib;
}

static atomic_ulong nr_reads, nr_opens, read_bytes;

static ssize_t counting_pread(int fd, void *data, size_t bytes, off_t offset)
{
	nr_reads++;
	read_bytes += bytes;
	return io_ops_system.pread(fd, data, bytes, offset);
}

static int counting_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	nr_opens++;
	return io_ops_system.openat(dir_fd, name, flags, mode);
}

static struct io_ops counting_ops;

static void count(void)
{
	nr_reads = 0;
	nr_opens = 0;
	read_bytes = 0;
}

static uint64_t nth_random(uint64_t nth)
{
	return nth * 0x9e3779b97f4a7c15u ^ nth >> 7;
}

/* ----------------------------------------------------------------------- index */

static void measure_lookups(struct tmc_index *index, const char *what, uint64_t nr)
{
	for (int present = 1; present >= 0; present--) {
		struct tmc_entry entry;
		double begin, end;
		uint64_t found = 0;

		count();
		begin = cpu_s();
		for (uint64_t i = 0; i < NR_LOOKUPS; i++) {
			struct tmc_id id = synthetic_id(nth_random(i) % nr + (present ? 0 : nr));

			found += tmc_index_find(index, TMC_BLOB_CHUNK, &id, &entry, NULL) == 1;
		}
		end = cpu_s();
		if (found != (present ? NR_LOOKUPS : 0)) {
			fprintf(stderr, "%s: %" PRIu64 " found\n", what, found);
			exit(1);
		}
		printf("lookups index=%s nr=%" PRIu64 " ids=%s per_cpu_s=%.0f reads_per_lookup=%.4f\n",
		       what, nr, present ? "present" : "absent", NR_LOOKUPS / (end - begin),
		       (double)nr_reads / NR_LOOKUPS);
	}
}

/* The same table without its filters, as a scratch run. */
static struct tmc_index *without_filters(struct tmc_repo *repo, const struct tmc_id *id,
					 const char *directory)
{
	struct tmc_index_head_disk head;
	struct tmc_index *index;
	char name[512];
	uint64_t bytes, kept;
	uint8_t *data;
	int from, to;

	must(tmc_store_get(repo->store, TMC_STORE_INDEX, id, &from, &bytes));
	must(io_read_full(from, &head, sizeof(head), 0));
	kept = bytes - (uint64_t)get_le32(head.nr_filter_blocks) * TMC_INDEX_BLOCK_BYTES;
	head.nr_filter_blocks = put_le32(0);
	must(tmc_index_block_seal(&head, 0, &head.header, NULL));
	snprintf(name, sizeof(name), "%s/without", directory);
	to = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	data = malloc(TMC_INDEX_BLOCK_BYTES);
	must(io_write_full(to, &head, sizeof(head), 0));
	for (uint64_t at = sizeof(head); at < kept; at += TMC_INDEX_BLOCK_BYTES) {
		must(io_read_full(from, data, TMC_INDEX_BLOCK_BYTES, at));
		must(io_write_full(to, data, TMC_INDEX_BLOCK_BYTES, at));
	}
	free(data);
	close(from);
	unlink(name);
	must(tmc_index_open_scratch(to, repo->keys, &index));
	return index;
}

static void measure_index(uint64_t nr, const char *directory)
{
	struct tmc_repo *repo;
	struct tmc_index *index;
	struct tmc_id *ids;
	char path[512];
	double begin;
	uint64_t before;
	size_t nr_ids;

	snprintf(path, sizeof(path), "%s/index", directory);
	must(tmc_repo_create(path, SYNTHETIC_CHUNK_BYTES));
	must(tmc_repo_open(path, &repo));
	begin = cpu_s();
	synthetic_index(repo, nr);
	printf("write nr=%" PRIu64 " cpu_s=%.2f\n", nr, cpu_s() - begin);
	must(tmc_store_list(repo->store, TMC_STORE_INDEX, &ids, &nr_ids));
	before = memory_kib();
	must(tmc_index_open(repo->store, repo->keys, &ids[0], &index));
	printf("size nr=%" PRIu64 " bytes=%" PRIu64 " bytes_per_entry=%.2f filter_bytes=%" PRIu64 "\n",
	       nr, tmc_index_bytes(index), (double)tmc_index_bytes(index) / (double)nr,
	       (uint64_t)tmc_index_nr_filter_blocks(index) * TMC_INDEX_BLOCK_BYTES);
	io_ops = &counting_ops;
	measure_lookups(index, "filters", nr);
	printf("memory nr=%" PRIu64 " anonymous_kib=%" PRIu64 "\n", nr, memory_kib() - before);
	if (tmc_index_nr_filter_blocks(index)) {
		struct tmc_index *plain = without_filters(repo, &ids[0], directory);

		measure_lookups(plain, "no-filters", nr);
		tmc_index_close(plain);
	}
	tmc_index_close(index);
	free(ids);
	tmc_repo_close(repo);
}

#define NR_MANY      20000u
#define MANY_ENTRIES 1000u /* new chunks of a small backup */

/* What a backup of new content asks of a repository with so many small indexes. */
static void measure_many(uint64_t nr_indexes, const char *directory)
{
	struct tmc_repo *repo;
	char path[512];
	double begin;
	uint64_t before;

	snprintf(path, sizeof(path), "%s/index", directory);
	must(tmc_repo_create(path, SYNTHETIC_CHUNK_BYTES));
	must(tmc_repo_open(path, &repo));
	for (uint64_t i = 0; i < nr_indexes; i++)
		synthetic_index(repo, MANY_ENTRIES);
	before = memory_kib();
	io_ops = &counting_ops;
	count();
	begin = cpu_s();
	must(tmc_index_set_refresh(repo->indexes));
	printf("many nr_indexes=%" PRIu64 " open_cpu_ms=%.2f open_reads=%lu memory_kib=%" PRIu64 "\n",
	       nr_indexes, 1e3 * (cpu_s() - begin), (unsigned long)nr_reads, memory_kib() - before);
	count();
	begin = cpu_s();
	for (uint64_t i = 0; i < NR_MANY; i++) {
		struct tmc_id id = synthetic_id(MANY_ENTRIES + i);

		must(tmc_index_set_has(repo->indexes, TMC_BLOB_CHUNK, &id));
	}
	printf("many nr_indexes=%" PRIu64 " us_per_lookup=%.3f reads_per_lookup=%.4f\n", nr_indexes,
	       1e6 * (cpu_s() - begin) / NR_MANY, (double)nr_reads / NR_MANY);
	tmc_repo_close(repo);
}

/* --------------------------------------------------------------------- restore */

static struct {
	pthread_mutex_t lock;
	bool done;
	double cpu_s;
	uint64_t reads, bytes;
} first_byte = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int stop_at_once(void *context, uint64_t offset, const void *data, size_t bytes)
{
	pthread_mutex_lock(&first_byte.lock);
	if (!first_byte.done) {
		first_byte.done = true;
		first_byte.cpu_s = cpu_s();
		first_byte.reads = nr_reads;
		first_byte.bytes = read_bytes;
	}
	pthread_mutex_unlock(&first_byte.lock);
	return -ECANCELED;
}

static void measure_restore(uint64_t nr, const char *directory)
{
	struct tmc_sink sink = { .data = stop_at_once };
	struct tmc_point *points;
	struct tmc_repo *repo;
	char path[512];
	double begin, opened, listed;
	uint64_t memory, open_reads, list_reads;
	size_t nr_points;

	snprintf(path, sizeof(path), "%s/repo", directory);
	synthetic_repo(path, nr);
	memory = memory_kib();
	io_ops = &counting_ops;
	count();
	begin = cpu_s();
	must(tmc_repo_open(path, &repo));
	opened = cpu_s();
	open_reads = nr_reads;
	must(tmc_point_list(repo, &points, &nr_points));
	listed = cpu_s();
	list_reads = nr_reads;
	if (tmc_point_extract(repo, &points[0], 1, &sink) != -ECANCELED) {
		fprintf(stderr, "the restore did not start: %s\n", tmc_error_text());
		exit(1);
	}
	printf("start nr=%" PRIu64 " open_reads=%" PRIu64 " open_cpu_ms=%.2f list_reads=%" PRIu64
	       " list_cpu_ms=%.2f first_byte_reads=%" PRIu64 " first_byte_kib=%" PRIu64
	       " first_byte_cpu_ms=%.2f memory_kib=%" PRIu64 "\n", nr, open_reads,
	       1e3 * (opened - begin), list_reads - open_reads, 1e3 * (listed - opened),
	       first_byte.reads - list_reads, first_byte.bytes >> 10,
	       1e3 * (first_byte.cpu_s - listed), memory_kib() - memory);
	free(points);
	tmc_repo_close(repo);
}

/* --------------------------------------------------------------------- filters */

#define NR_BLOOM_BLOCKS 300u
#define BLOOM_BITS      (4076u * 8)

static bool bloom_test(uint8_t *bits, uint64_t word, bool set)
{
	uint32_t first = (uint32_t)word, step = (uint32_t)(word >> 32) | 1;
	bool all = true;

	for (uint32_t i = 0; i < 7; i++) {
		uint32_t bit = (uint32_t)((uint64_t)(first + i * step) * BLOOM_BITS >> 32);

		all &= bits[bit / 8] >> bit % 8 & 1;
		if (set)
			bits[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
	return all;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tmc_id));
}

/* A Bloom filter and ours, in one block each, for so many ids; how often they err. */
static void measure_filters(void)
{
	static uint8_t bits[BLOOM_BITS / 8];
	static struct tmc_filter_builder builder;
	uint64_t bloom_wrong = 0, ours_wrong = 0, asked = 0, nth = 0;

	for (uint32_t block = 0; block < NR_BLOOM_BLOCKS; block++) {
		struct tmc_id ids[TMC_INDEX_FILTER_MEAN];

		memset(bits, 0, sizeof(bits));
		tmc_filter_builder_init(&builder, 1);
		for (uint32_t i = 0; i < TMC_INDEX_FILTER_MEAN; i++) {
			ids[i] = synthetic_id(nth++);
			bloom_test(bits, get_be64(ids[i].bytes + 8), true);
		}
		qsort(ids, TMC_INDEX_FILTER_MEAN, sizeof(*ids), compare_ids);
		for (uint32_t i = 0; i < TMC_INDEX_FILTER_MEAN; i++)
			tmc_filter_builder_add(&builder, &ids[i]);
		for (uint32_t i = 0; i < 10000; i++, asked++) {
			struct tmc_id id = synthetic_id(nth++);
			struct tmc_filter_key key = tmc_filter_key(&id, 1);
			uint64_t first;
			uint32_t nr;

			bloom_wrong += bloom_test(bits, get_be64(id.bytes + 8), false);
			ours_wrong += tmc_index_filter_find(&builder.filter, TMC_INDEX_FILTER_MEAN,
							    &key, &first, &nr) && nr;
		}
	}
	printf("filter kind=bloom ids_in_block=%u bits_per_id=%.2f wrong=%.5f\n",
	       TMC_INDEX_FILTER_MEAN, 32768.0 / TMC_INDEX_FILTER_MEAN,
	       (double)bloom_wrong / (double)asked);
	printf("filter kind=ranked ids_in_block=%u bits_per_id=%.2f wrong=%.5f\n",
	       TMC_INDEX_FILTER_MEAN, 32768.0 / TMC_INDEX_FILTER_MEAN,
	       (double)ours_wrong / (double)asked);
}

/* ------------------------------------------------------------------------ LMDB */

#define LMDB_BATCH 20000u

struct lmdb_key {
	struct tmc_id id;
	uint8_t type;
};

/* In the order in which a backup meets the ids, in transactions of LMDB_BATCH. */
static void lmdb_fill(MDB_env *env, MDB_dbi *dbi, uint64_t nr)
{
	MDB_txn *txn = NULL;

	for (uint64_t i = 0; i < nr; i++) {
		struct lmdb_key key = { .id = synthetic_id(i), .type = TMC_BLOB_CHUNK };
		uint8_t place[18] = { 0 }; /* codec, pack, offset, stored, raw, spare */
		MDB_val key_val = { sizeof(key), &key }, place_val = { sizeof(place), place };

		if (!txn) {
			must(-mdb_txn_begin(env, NULL, 0, &txn));
			must(-mdb_dbi_open(txn, NULL, 0, dbi));
		}
		memcpy(place, &i, sizeof(i));
		must(-mdb_put(txn, *dbi, &key_val, &place_val, 0));
		if ((i + 1) % LMDB_BATCH == 0 || i + 1 == nr) {
			must(-mdb_txn_commit(txn));
			txn = NULL;
		}
	}
}

static void lmdb_lookups(MDB_env *env, MDB_dbi dbi, uint64_t nr)
{
	MDB_txn *txn;

	must(-mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
	for (int present = 1; present >= 0; present--) {
		double begin = cpu_s(), end;
		uint64_t found = 0;

		for (uint64_t i = 0; i < NR_LOOKUPS; i++) {
			struct lmdb_key key = {
				.id = synthetic_id(nth_random(i) % nr + (present ? 0 : nr)),
				.type = TMC_BLOB_CHUNK,
			};
			MDB_val key_val = { sizeof(key), &key }, place_val;

			found += !mdb_get(txn, dbi, &key_val, &place_val);
		}
		end = cpu_s();
		printf("lookups index=lmdb nr=%" PRIu64 " ids=%s per_cpu_s=%.0f found=%" PRIu64 "\n", nr,
		       present ? "present" : "absent", NR_LOOKUPS / (end - begin), found);
	}
	mdb_txn_abort(txn);
}

static void measure_lmdb(uint64_t nr, const char *directory)
{
	char path[512];
	struct stat st;
	double begin;
	MDB_env *env;
	MDB_dbi dbi;

	snprintf(path, sizeof(path), "%s/lmdb", directory);
	must(-mdb_env_create(&env));
	must(-mdb_env_set_mapsize(env, 16ull << 30));
	must(-mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600));
	begin = cpu_s();
	lmdb_fill(env, &dbi, nr);
	must(stat(path, &st));
	printf("write index=lmdb nr=%" PRIu64 " cpu_s=%.2f bytes=%lld bytes_per_entry=%.2f\n", nr,
	       cpu_s() - begin, (long long)st.st_size, (double)st.st_size / (double)nr);
	lmdb_lookups(env, dbi, nr);
	mdb_env_close(env);
}

int main(int argc, char **argv)
{
	uint64_t nr = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;

	counting_ops = io_ops_system;
	counting_ops.pread = counting_pread;
	counting_ops.openat = counting_openat;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "filters"))
		measure_filters();
	else if (nr && !strcmp(argv[1], "index"))
		measure_index(nr, argv[3]);
	else if (nr > SYNTHETIC_REAL && !strcmp(argv[1], "restore"))
		measure_restore(nr, argv[3]);
	else if (nr && !strcmp(argv[1], "many"))
		measure_many(nr, argv[3]);
	else if (nr && !strcmp(argv[1], "lmdb"))
		measure_lmdb(nr, argv[3]);
	else
		return fprintf(stderr, "see the head of tests/bench/index.c\n"), 2;
	return 0;
}
