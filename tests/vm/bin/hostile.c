// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   hostile LIVE MUTATIONS SEED FREEZE
 *
 * Agents that do whatever they can to the module by way of /dev/tidemark, the shared
 * pages and device-mapper. LIVE is a block device; attachments to it, hostile-0 and
 * up, are made here and left behind. FREEZE is a device with a mounted file system
 * for the freeze lists of cuts.
 *
 * A process for each attachment, which now and then strays to another's, has
 * channels, mappings and a thread that keeps storing nonsense as the consumer's
 * position; every now and then one is killed in the middle of it. Seeded: the same
 * SEED makes the same calls in each process, though not the same races. Whether it did
 * harm is for others to say: the kernel, and whoever writes the device meanwhile. Its own claims: a new ring holds nothing but
 * zeros, records are sound, and no field shows a kernel address.
 *
 * Prints "seed S mutations N calls GOOD/ALL cuts N records N" at the end. A stretch
 * of 1,000 stores is counted as one mutation.
 */
#include "common/dm.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../include/uapi/tidemark.h"

#define NR_PROCESSES 3 /* and attachments */
#define NR_CHANNELS  6
#define NR_MAPPINGS  12
#define PAGE         4096UL

static struct tidemark_devno live, frozen;
static uint64_t live_sectors;
static struct volume {
	char name[16];
	char table[64];
	uint64_t nr_sectors;
	struct tidemark_devno mapped;
} volumes[NR_PROCESSES], *own;

/* Counted by all processes together. */
static struct shared {
	atomic_ullong mutations, calls, successes, cuts, records;
	atomic_bool failed;
} *shared;

/* ------------------------------------------------------------------- one process */

static _Thread_local sigjmp_buf on_fault;
static _Thread_local uint64_t state;

static int channels[NR_CHANNELS];
static uint64_t ring_bytes[NR_CHANNELS]; /* 0: not bound by us */
static struct mapping {
	uint8_t *at;
	size_t bytes;
} mappings[NR_MAPPINGS];
static _Atomic(uint64_t *) scribbled; /* a consumer's page, perhaps gone */
static _Atomic(const struct tidemark_ring_producer *) producer;
static uint64_t scratch[TIDEMARK_RELEASE_CHUNKS_MAX / 64 + 512];
static void *read_only, *nowhere;

static uint64_t random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(uint64_t n)
{
	return (random64() >> 11) % n;
}

static bool one_in(uint64_t n)
{
	return below(n) == 0;
}

static void fail(const char *what)
{
	fprintf(stderr, "hostile: %s\n", what);
	shared->failed = true;
	_exit(1);
}

/* Pages of ours that are gone, or cannot be written: expected, not a crash. */
static void faulted(int signal)
{
	siglongjmp(on_fault, 1);
}

static void count(int result)
{
	shared->calls++;
	shared->mutations++;
	if (result >= 0)
		shared->successes++;
}

static uint64_t edge(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 63, 64, 65, 127, 4095, 4096, 4097, 1ULL << 16,
					  1ULL << 31, (1ULL << 31) - 1, 1ULL << 32, 1ULL << 63,
					  (1ULL << 63) - 1, ~0ULL, ~0ULL - 63, ~0ULL - 64 };

	return one_in(4) ? random64() : edges[below(sizeof(edges) / sizeof(edges[0]))];
}

static uint64_t mostly(uint64_t good)
{
	return one_in(6) ? edge() : good;
}

/* An address for the kernel to read or write. */
static uint64_t address(void)
{
	switch (below(12)) {
	case 0:
		return edge();
	case 1:
		return (uintptr_t)read_only;
	case 2:
		return (uintptr_t)nowhere - 8; /* ends on the way */
	case 3:
		return 0xffff888000000000ULL + below(1 << 20) * 8;
	case 4:
		return (uintptr_t)mappings[below(NR_MAPPINGS)].at;
	default:
		return (uintptr_t)scratch;
	}
}

/* Mostly one that is bound: on others there is little to be had. */
static int a_channel(void)
{
	unsigned int i = (unsigned int)below(NR_CHANNELS), tries;

	for (tries = 0; tries < NR_CHANNELS && !ring_bytes[i] && !one_in(8); tries++)
		i = (i + 1) % NR_CHANNELS;
	return channels[i];
}

static struct volume *a_volume(void)
{
	return one_in(8) ? &volumes[below(NR_PROCESSES)] : own;
}

/* ------------------------------------------------------------------------- calls */

/* The last two words, where nothing random stands. */
static const uint64_t *tail_of(const struct tidemark_info *info)
{
	return (const uint64_t *)(const void *)(info + 1) - 2;
}

static void look_for_addresses(const uint64_t *words, size_t nr, const char *where)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (words[i] >= 0xffff800000000000ULL && words[i] < ~0ULL - 4096)
			fail(where);
}

static void call_bind(void)
{
	struct volume *v = a_volume();
	static const uint32_t sizes[] = { 1 << 16, 1 << 16, 1 << 17, 1 << 18, 1 << 20 };
	struct tidemark_bind bind = {
		.abi = (uint32_t)mostly(TIDEMARK_ABI_VERSION),
		.flags = (uint32_t)(one_in(8) ? edge() : 0),
		.mapped = one_in(8) ? live : v->mapped,
		.ring_bytes = one_in(8) ? (uint32_t)edge() & ~(1U << 30) : sizes[below(5)],
		.reserved = (uint32_t)(one_in(16) ? edge() : 0),
	};
	unsigned int i = (unsigned int)below(NR_CHANNELS);
	int r = ioctl(channels[i], TIDEMARK_IOC_BIND, one_in(16) ? (void *)address() : &bind);

	count(r);
	if (r && errno == ENXIO)
		dm_number(v->name, &v->mapped.major, &v->mapped.minor); /* made anew? */
	if (r)
		return;
	ring_bytes[i] = bind.ring_bytes;
	look_for_addresses(tail_of(&bind.info), 2, "BIND shows a kernel address");
}

static uint64_t epoch_of_cut(int channel)
{
	struct tidemark_info info = { 0 };

	count(ioctl(channel, TIDEMARK_IOC_INFO, &info));
	look_for_addresses(tail_of(&info), 2, "INFO shows a kernel address");
	return mostly(info.epoch - 1);
}

static void call_cut(void)
{
	struct tidemark_cut_volume parts[TIDEMARK_CUT_VOLUMES_MAX];
	struct tidemark_devno freeze[4] = { frozen, live, frozen, { (uint32_t)edge(), 7 } };
	struct tidemark_cut cut = {
		.flags = one_in(16),
		.nr_volumes = (uint32_t)mostly(1 + below(3)),
		.nr_freeze = (uint32_t)(one_in(16) ? edge() : below(5)),
		.volumes = one_in(12) ? address() : (uintptr_t)parts,
		.freeze = one_in(12) ? address() : (uintptr_t)freeze,
	};
	unsigned int i;
	int r;

	for (i = 0; i < TIDEMARK_CUT_VOLUMES_MAX; i++)
		parts[i] = (struct tidemark_cut_volume){
			.channel_fd = one_in(8) ? (int)edge() : a_channel(),
			.flags = one_in(12) ? (uint32_t)edge() : (uint32_t)below(8),
		};
	if (one_in(2)) {
		cut.nr_volumes = 1;
		cut.nr_freeze = 0;
	}
	r = ioctl(a_channel(), TIDEMARK_IOC_CUT, &cut);
	count(r);
	if (!r)
		shared->cuts++;
}

static void call_read_frozen(void)
{
	struct tidemark_read_frozen read = {
		.first_chunk = one_in(2) ? 64 * below(64) : edge(),
		.nr_chunks = one_in(2) ? below(4096) : edge(),
		.words = address(),
	};

	if (read.words == (uintptr_t)scratch && read.nr_chunks > TIDEMARK_RELEASE_CHUNKS_MAX)
		read.nr_chunks = TIDEMARK_RELEASE_CHUNKS_MAX;
	count(ioctl(a_channel(), TIDEMARK_IOC_READ_FROZEN, &read));
}

static void call_dirty(void)
{
	struct tidemark_dirty dirty = {
		.first_chunk = one_in(2) ? 64 * below(256) : edge(),
		.nr_chunks = one_in(2) ? below(16384) : edge(),
		.words = address(),
	};

	count(ioctl(a_channel(), TIDEMARK_IOC_DIRTY, &dirty));
}

static void call_release(void)
{
	int channel = a_channel();
	struct tidemark_release release = {
		.epoch = epoch_of_cut(channel),
		.first_chunk = one_in(2) ? below(16384) : edge(),
		.nr_chunks = (uint32_t)(one_in(8) ? edge() : below(TIDEMARK_RELEASE_CHUNKS_MAX)),
		.reserved = one_in(32),
		.words = address(),
	};

	count(ioctl(channel, TIDEMARK_IOC_RELEASE, &release));
}

/* What an honest agent does: otherwise no cut would ever be committed. */
static void release_all_and_commit(void)
{
	int channel = a_channel();
	struct tidemark_end end = { .how = TIDEMARK_END_COMMIT, .base = "hostile" };
	struct tidemark_release release = { .words = (uintptr_t)scratch };
	struct tidemark_info info = { 0 };

	if (ioctl(channel, TIDEMARK_IOC_INFO, &info))
		return;
	end.epoch = release.epoch = info.epoch - 1;
	for (; release.first_chunk < info.nr_chunks; release.first_chunk += release.nr_chunks) {
		release.nr_chunks = TIDEMARK_RELEASE_CHUNKS_MAX;
		if (info.nr_chunks - release.first_chunk < release.nr_chunks)
			release.nr_chunks = (uint32_t)(info.nr_chunks - release.first_chunk);
		count(ioctl(channel, TIDEMARK_IOC_RELEASE, &release));
	}
	count(ioctl(channel, TIDEMARK_IOC_END, &end));
}

static void call_end(void)
{
	int channel = a_channel();
	struct tidemark_end end = {
		.epoch = epoch_of_cut(channel),
		.how = one_in(8) ? (uint32_t)edge() : (uint32_t)(1 + below(2)),
		.reserved = one_in(32),
		.base[0] = (uint8_t)below(3),
	};

	count(ioctl(channel, TIDEMARK_IOC_END, &end));
}

static void call_anything(void)
{
	unsigned long command = one_in(2) ? random64() & 0xffffffff :
		(unsigned long)_IOC(below(4), TIDEMARK_IOC_MAGIC, below(16), below(256));

	count(ioctl(a_channel(), command, address()));
}

static void other_file_calls(void)
{
	struct pollfd wait = { .fd = a_channel(), .events = (short)random64() };
	int channel = a_channel();

	count(poll(&wait, 1, 0));
	count((int)read(channel, scratch, 64));
	count((int)write(channel, scratch, 64));
	count((int)lseek(channel, (off_t)edge(), SEEK_SET));
	count(fsync(channel));
	count(ftruncate(channel, (off_t)edge()));
}

static void open_again(void)
{
	unsigned int i = (unsigned int)below(NR_CHANNELS);

	close(channels[i]);
	ring_bytes[i] = 0;
	if (one_in(6))
		channels[i] = dup(a_channel());
	else
		channels[i] = open("/dev/" TIDEMARK_DEVICE_NAME,
				   O_CLOEXEC | (one_in(8) ? O_RDONLY : O_RDWR));
	count(channels[i]);
}

/* ---------------------------------------------------------------------- mappings */

static void forget_mapping(struct mapping *m)
{
	if (!m->at)
		return;
	if (scribbled == (void *)m->at)
		scribbled = NULL;
	if (producer == (void *)m->at)
		producer = NULL;
	munmap(m->at, m->bytes);
	m->at = NULL;
}

/* A ring is mapped whole, as an agent does, or anyhow. */
static void map_something(void)
{
	struct mapping *m = &mappings[below(NR_MAPPINGS)];
	unsigned int i = (unsigned int)below(NR_CHANNELS);
	uint64_t page = below(3);
	size_t bytes = page < 2 ? PAGE : 2 * ring_bytes[i];
	int protection = page ? PROT_READ : PROT_READ | PROT_WRITE;
	void *at;

	forget_mapping(m);
	at = mmap(NULL, one_in(8) ? below(64) * PAGE : bytes,
		  one_in(8) ? (int)below(8) : protection, one_in(12) ? MAP_PRIVATE : MAP_SHARED,
		  channels[i], (off_t)((one_in(12) ? below(1 << 20) : page) * PAGE));
	count(at == MAP_FAILED ? -1 : 0);
	if (at == MAP_FAILED)
		return;
	m->at = at;
	m->bytes = bytes ?: PAGE;
	if (page == 0)
		scribbled = at;
	else if (page == 1)
		producer = at;
}

static void change_mapping(void)
{
	struct mapping *m = &mappings[below(NR_MAPPINGS)];
	size_t pages = m->bytes / PAGE, first = below(pages + 1), at = first * PAGE;
	size_t bytes = below(pages - first + 1) * PAGE; /* no more: what follows is libc's */
	static const int advices[] = { MADV_DONTNEED, MADV_REMOVE, MADV_DOFORK, MADV_DONTFORK,
				       MADV_MERGEABLE, MADV_HUGEPAGE, MADV_COLD, MADV_PAGEOUT,
				       MADV_WILLNEED, MADV_FREE, MADV_POPULATE_WRITE };
	void *moved;

	if (!m->at)
		return;
	switch (below(7)) {
	case 0:
		count(munmap(m->at + at, bytes));
		break;
	case 1:
		count(mprotect(m->at + at, bytes, (int)below(8)));
		break;
	case 2:
		count(madvise(m->at + at, bytes, advices[below(11)]));
		break;
	case 3:
		bytes = below(8) * PAGE;
		moved = mremap(m->at, one_in(4) ? 0 : m->bytes, m->bytes + bytes, MREMAP_MAYMOVE);
		count(moved == MAP_FAILED ? -1 : 0);
		if (moved != MAP_FAILED)
			m->at = moved;
		break;
	case 4:
		count(mlock(m->at + at, bytes));
		break;
	case 5:
		count(msync(m->at + at, bytes, MS_SYNC));
		break;
	default:
		forget_mapping(m);
	}
}

static void check_records(const uint8_t *data, uint64_t end, uint64_t epoch)
{
	const struct tidemark_record *r;
	uint64_t at, seq = 0;

	for (at = 0; at != end; at += r->record_bytes) {
		r = (const void *)(data + at);
		look_for_addresses((const void *)r, 8, "a record shows a kernel address");
		if (r->seq != ++seq || r->epoch < epoch || at + r->record_bytes > end ||
		    r->payload_bytes > r->record_bytes || !r->record_bytes)
			fail("a record makes no sense");
		shared->records++;
	}
}

/*
 * An agent that does nothing wrong but to read no more than one ringful: amidst all
 * this its ring starts as zeros, and has sound records after a cut.
 */
static void be_honest(void)
{
	struct tidemark_bind bind = { .abi = TIDEMARK_ABI_VERSION, .mapped = own->mapped,
				      .ring_bytes = 1 << 16 };
	int channel = open("/dev/" TIDEMARK_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	struct tidemark_cut_volume volume = { .channel_fd = channel, .flags = (uint32_t)below(8) };
	struct tidemark_cut cut = { .nr_volumes = 1, .volumes = (uintptr_t)&volume };
	const struct tidemark_ring_producer *p;
	const uint8_t *data;
	size_t i;

	shared->mutations++;
	if (ioctl(channel, TIDEMARK_IOC_BIND, &bind)) {
		close(channel);
		return;
	}
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, channel, PAGE);
	data = mmap(NULL, 2 * bind.ring_bytes, PROT_READ, MAP_SHARED, channel, 2 * PAGE);
	if (p == MAP_FAILED || data == MAP_FAILED)
		fail("a ring that was bound cannot be mapped");
	for (i = 0; i < 2 * bind.ring_bytes; i++)
		if (data[i])
			fail("a new ring holds something");
	if (!ioctl(channel, TIDEMARK_IOC_CUT, &cut)) {
		usleep((useconds_t)below(20000));
		check_records(data, __atomic_load_n(&p->producer_pos, __ATOMIC_ACQUIRE),
			      volume.epoch);
	}
	munmap((void *)(uintptr_t)data, 2 * bind.ring_bytes);
	munmap((void *)(uintptr_t)p, PAGE);
	close(channel);
}

/* ------------------------------------------------------------------- shared pages */

static void store_once(void)
{
	uint64_t *at = scribbled;
	const struct tidemark_ring_producer *p = producer;
	uint64_t end = p ? p->producer_pos : 0;

	if (!at)
		return;
	switch (below(8)) {
	case 0:
		__atomic_store_n(at, end + 64 * below(3) - 64, __ATOMIC_RELEASE);
		break;
	case 1:
		__atomic_store_n(at, end + below(3) - 1, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n(at, end + (1ULL << (16 + below(48))), __ATOMIC_RELEASE);
		break;
	case 3:
		__atomic_store_n(at, edge(), __ATOMIC_RELEASE);
		break;
	default: /* what keeps the ring in use */
		__atomic_store_n(at, end, __ATOMIC_RELEASE);
	}
}

static void *keep_storing(void *context)
{
	unsigned int i;

	state = *(uint64_t *)context;
	while (true) {
		if (!sigsetjmp(on_fault, 1)) {
			/* Long stretches of good behaviour, or no ring would live long. */
			uint64_t *at = scribbled;
			const struct tidemark_ring_producer *p = producer;

			for (i = 0; i < 1000 && at && p; i++)
				__atomic_store_n(at, p->producer_pos, __ATOMIC_RELEASE);
			if (one_in(40))
				for (i = 0; i < 1000; i++)
					store_once();
		}
		shared->mutations++;
		usleep((useconds_t)below(2000));
	}
	return NULL;
}

/* ------------------------------------------------------------------- device-mapper */

static const char *word(void)
{
	static const char *const words[] = { "track", "stall_ms", "forget", "chunk_sectors", "0",
					     "1", "8", "128", "-1", "2048", "4294967296", "60001",
					     "99999999999999999999", "7:0", "254:0", "65535:65535",
					     "/dev/vda", "/dev/null", "/", "%s%n", "\\", "", "2",
					     "4", "stream", "mark", "stacked", "\x80\xff", "0x10", " " };

	return words[below(sizeof(words) / sizeof(words[0]))];
}

static void words(char *ret, size_t bytes)
{
	uint64_t nr = below(9);
	size_t at = 0;

	*ret = '\0';
	while (nr-- && at < bytes - 1)
		at += (size_t)snprintf(ret + at, bytes - at, "%s ", word());
}

static void junk_message(void)
{
	char text[512];

	words(text, sizeof(text));
	count(dm_message(a_volume()->name, one_in(4) ? "forget" : one_in(4) ? "mark it" : text));
}

static void junk_table(void)
{
	char text[512], node[32];

	snprintf(node, sizeof(node), "junk-%d", (int)getpid());
	words(text, sizeof(text));
	count(dm_create(node));
	count(dm_load(node, one_in(2) ? live_sectors : edge() >> 10, TIDEMARK_TARGET_NAME,
		      one_in(4) ? own->table : text));
	count(dm_resume(node));
	count(dm_remove(node));
}

static int load(const struct volume *v, uint64_t less)
{
	return dm_load(v->name, v->nr_sectors - less, TIDEMARK_TARGET_NAME, v->table);
}

static int make(const struct volume *v)
{
	return dm_make(v->name, v->nr_sectors, TIDEMARK_TARGET_NAME, v->table);
}

static void use_mapped_device(void)
{
	const struct volume *v = a_volume();
	char text[1024];

	switch (below(6)) {
	case 0:
		count(load(v, 0));
		count(dm_suspend(v->name));
		count(dm_resume(v->name));
		break;
	case 1:
		count(load(v, 0));
		count(dm_clear(v->name));
		break;
	case 2:
		count(load(v, below(64)));
		break;
	case 3:
		count(dm_remove(v->name));
		count(make(v));
		break;
	default:
		count(dm_status(v->name, text, sizeof(text)));
		count(dm_table(v->name, text, sizeof(text)));
	}
}

/* ------------------------------------------------------------------------ the run */

static void act(void)
{
	switch (below(21)) {
	case 0:
		open_again();
		break;
	case 1:
	case 2:
		call_bind();
		break;
	case 3:
	case 4:
	case 5:
	case 18:
		call_cut();
		break;
	case 6:
		call_read_frozen();
		break;
	case 7:
		call_release();
		break;
	case 20:
		call_dirty();
		break;
	case 8:
		release_all_and_commit();
		break;
	case 9:
		call_end();
		break;
	case 10:
		call_anything();
		break;
	case 11:
		other_file_calls();
		break;
	case 12:
	case 13:
		map_something();
		break;
	case 14:
		change_mapping();
		break;
	case 15:
		store_once();
		break;
	case 16:
		usleep((useconds_t)below(3000)); /* time for writes to meet a cut */
		break;
	case 17:
		if (one_in(4))
			be_honest();
		break;
	default:
		if (one_in(100))
			use_mapped_device();
		else if (one_in(100))
			junk_message();
		else if (one_in(200))
			junk_table();
	}
}

/* A child has the channels, and by MADV_DOFORK perhaps mappings. */
static void act_as_child(void)
{
	pid_t child = fork();
	unsigned int i;

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 20; i++)
			if (!sigsetjmp(on_fault, 1))
				act();
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void be_hostile(unsigned int nr, uint64_t seed, unsigned long long end)
{
	struct sigaction action = { .sa_handler = faulted, .sa_flags = SA_NODEFER };
	static uint64_t thread_seed;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	own = &volumes[nr];
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	state = seed * 0x9e3779b97f4a7c15ULL | 1;
	thread_seed = random64();
	memset(channels, -1, sizeof(channels));
	if (pthread_create(&thread, NULL, keep_storing, &thread_seed))
		fail("no thread");
	while (shared->mutations < end)
		if (!sigsetjmp(on_fault, 1)) {
			act();
			if (one_in(400))
				act_as_child();
		}
	_exit(0);
}

static pid_t start(unsigned int nr, uint64_t seed, unsigned long long end)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0)
		be_hostile(nr, seed, end);
	return pid;
}

/* Now and then a process dies in the middle of a call, and another takes its place. */
static void run_processes(uint64_t seed, unsigned long long end)
{
	pid_t pids[NR_PROCESSES];
	unsigned int i;

	state = seed | 1;
	for (i = 0; i < NR_PROCESSES; i++)
		pids[i] = start(i, seed * 1000 + i, end);
	while (shared->mutations < end && !shared->failed) {
		usleep((useconds_t)(20000 + below(400000)));
		i = (unsigned int)below(NR_PROCESSES);
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		pids[i] = start(i, random64() >> 8, end);
	}
	/* One that has unmapped what it stands on goes no further; the kernel must let it go. */
	for (i = 0; i < NR_PROCESSES; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

static struct tidemark_devno devno_of(const char *node)
{
	struct stat st;

	if (stat(node, &st) || !S_ISBLK(st.st_mode))
		errx(1, "%s: not a block device", node);
	return (struct tidemark_devno){ major(st.st_rdev), minor(st.st_rdev) };
}

static uint64_t sectors_of(const char *node)
{
	int fd = open(node, O_RDONLY | O_CLOEXEC);
	off_t bytes = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (bytes < 0)
		err(1, "%s", node);
	close(fd);
	return (uint64_t)bytes / 512;
}

static void make_volumes(const char *live_path)
{
	struct volume *v;
	unsigned int i;

	for (i = 0; i < NR_PROCESSES; i++) {
		v = &volumes[i];
		snprintf(v->name, sizeof(v->name), "hostile-%u", i);
		snprintf(v->table, sizeof(v->table), "%s %s %u 4 chunk_sectors 8 stall_ms 20",
			 i ? "stream" : "track", live_path, 8 * i);
		v->nr_sectors = live_sectors - 8 * i;
		if (make(v) || dm_number(v->name, &v->mapped.major, &v->mapped.minor))
			errx(1, "cannot attach %s", v->name);
	}
}

/* They may be removed, suspended or half made; it must be possible to have them as they were. */
static void leave_volumes_in_order(void)
{
	struct volume *v;
	int r;

	for (v = volumes; v < volumes + NR_PROCESSES; v++) {
		dm_clear(v->name);
		dm_resume(v->name);
		dm_remove(v->name);
		r = make(v);
		if (r)
			errx(1, "cannot make %s again: %s", v->name, strerror(-r));
	}
}

static void *page_of_its_own(int protection, size_t bytes)
{
	void *at = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	return at;
}

int main(int argc, char **argv)
{
	uint64_t seed;

	if (argc != 5)
		errx(1, "hostile LIVE MUTATIONS SEED FREEZE");
	live = devno_of(argv[1]);
	live_sectors = sectors_of(argv[1]);
	seed = strtoull(argv[3], NULL, 10);
	frozen = devno_of(argv[4]);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	read_only = page_of_its_own(PROT_READ, PAGE);
	nowhere = (uint8_t *)page_of_its_own(PROT_READ | PROT_WRITE, 2 * PAGE) + PAGE;
	munmap(nowhere, PAGE);
	make_volumes(argv[1]);
	run_processes(seed, strtoull(argv[2], NULL, 10));
	leave_volumes_in_order();
	printf("seed %llu mutations %llu calls %llu/%llu cuts %llu records %llu\n",
	       (unsigned long long)seed, shared->mutations, shared->successes, shared->calls,
	       shared->cuts, shared->records);
	return shared->failed;
}
