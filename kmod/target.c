// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The device-mapper target: how an administrator makes, sees and removes an
 * attachment.
 *
 *   table     0 <sectors> tidemark track <device> <start> [<#words> <feature> <value> ...]
 *             features: chunk_sectors (128), stall_ms (50)
 *   status    track <cut> <chunk_sectors> <dirty>/<chunks> <epoch>
 *             base <hex or -> preserved <n> held <n> lost <n> dropped <n> agent <yes|no>
 *   messages  stall_ms <n>
 *             forget           everything is dirty, the next backup reads all
 *
 * The mapped device itself carries no data: the live device is used as before, and
 * a second way to the same blocks would only show udev a file system twice. I/O to
 * it fails.
 */
#include "target.h"

#include <linux/device-mapper.h>
#include <linux/log2.h>
#include <linux/module.h>

#include "attachment.h"
#include "cut.h"

#define DM_MSG_PREFIX "tidemark"

#define CHUNK_SECTORS_DEFAULT 128
#define STALL_MS_DEFAULT      50
#define STALL_MS_MAX          60000

/* ---------------------------------------------------------------------- construct */

static int parse_feature(const char *name, const char *value, struct tm_geometry *g)
{
	unsigned int number;

	if (kstrtouint(value, 10, &number))
		return -EINVAL;
	if (!strcasecmp(name, "chunk_sectors")) {
		g->chunk_sectors = number;
		return 0;
	}
	if (!strcasecmp(name, "stall_ms")) {
		g->stall_ms = number;
		return 0;
	}
	return -EINVAL;
}

static int parse_features(struct dm_target *ti, struct dm_arg_set *as, struct tm_geometry *g)
{
	static const struct dm_arg args[] = {
		{ 0, 4, "tidemark: the number of feature words is 0, 2 or 4" },
	};
	unsigned int nr_words;
	int r;

	if (!as->argc)
		return 0;
	r = dm_read_arg_group(args, as, &nr_words, &ti->error);
	if (r)
		return r;
	for (; nr_words >= 2; nr_words -= 2) {
		const char *name = dm_shift_arg(as);
		const char *value = dm_shift_arg(as);

		if (parse_feature(name, value, g)) {
			ti->error = "features are: chunk_sectors <n>, stall_ms <n>";
			return -EINVAL;
		}
	}
	if (nr_words || as->argc) {
		ti->error = "words that belong to no feature";
		return -EINVAL;
	}
	return 0;
}

static bool chunk_size_is_fine(unsigned int sectors)
{
	return is_power_of_2(sectors) &&
	       sectors >= TIDEMARK_CHUNK_BYTES_MIN >> SECTOR_SHIFT &&
	       sectors <= TIDEMARK_CHUNK_BYTES_MAX >> SECTOR_SHIFT;
}

static int parse(struct dm_target *ti, unsigned int argc, char **argv, struct tm_geometry *g)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	unsigned long long start;
	char dummy;
	int r;

	*g = (struct tm_geometry){
		.nr_sectors = ti->len,
		.chunk_sectors = CHUNK_SECTORS_DEFAULT,
		.stall_ms = STALL_MS_DEFAULT,
	};
	ti->error = "arguments are: track <device> <start sector> [<#words> <feature> <value> ...]";
	if (argc < 3 || strcasecmp(dm_shift_arg(&as), "track"))
		return -EINVAL;
	g->path = dm_shift_arg(&as);
	if (sscanf(dm_shift_arg(&as), "%llu%c", &start, &dummy) != 1)
		return -EINVAL;
	g->start_sector = start;
	r = parse_features(ti, &as, g);
	if (r)
		return r;
	ti->error = "chunk_sectors is a power of two from 8 to 2048";
	if (!chunk_size_is_fine(g->chunk_sectors))
		return -EINVAL;
	ti->error = "stall_ms is at most 60000";
	return g->stall_ms <= STALL_MS_MAX ? 0 : -EINVAL;
}

static int tidemark_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct tm_attachment *a;
	struct tm_geometry g;
	const char *error;
	int r;

	r = parse(ti, argc, argv, &g);
	if (r)
		return r;
	ti->error = "one table has one tidemark target, and nothing else";
	if (ti->begin)
		return -EINVAL;
	a = tm_attachment_attach(ti, &g, &error);
	if (IS_ERR(a)) {
		ti->error = (char *)error;
		return PTR_ERR(a);
	}
	ti->private = a;
	ti->error = NULL;
	return 0;
}

static void tidemark_dtr(struct dm_target *ti)
{
	tm_attachment_detach(ti->private, ti);
}

/* ---------------------------------------------------------------------------- use */

static int tidemark_map(struct dm_target *ti, struct bio *bio)
{
	return DM_MAPIO_KILL;
}

static const char *cut_state_name(const struct tm_attachment *a)
{
	switch (READ_ONCE(a->cut_state)) {
	case TIDEMARK_CUT_ACTIVE:
		return "active";
	case TIDEMARK_CUT_LOST:
		return "lost";
	default:
		return "none";
	}
}

/* sz, result and maxlen are what DMEMIT works on. */
static void emit_info(struct tm_attachment *a, char *result, unsigned int maxlen)
{
	struct tidemark_info info;
	unsigned int sz = 0;

	tm_attachment_get_info(a, &info);
	DMEMIT("track %s %u %llu/%llu %llu ", cut_state_name(a), 1U << a->chunk_shift,
	       info.dirty_chunks, info.nr_chunks, info.epoch);
	if (memchr_inv(info.base, 0, sizeof(info.base)))
		DMEMIT("base %*phN ", (int)sizeof(info.base), info.base);
	else
		DMEMIT("base - ");
	DMEMIT("preserved %lld held %lld lost %lld dropped %lld agent %s",
	       atomic64_read(&a->preserve.nr_preserved), atomic64_read(&a->preserve.nr_held),
	       atomic64_read(&a->nr_lost), atomic64_read(&a->preserve.nr_discards_dropped),
	       READ_ONCE(a->channel) ? "yes" : "no");
}

static void tidemark_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			    char *result, unsigned int maxlen)
{
	struct tm_attachment *a = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		emit_info(a, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("track %u:%u %llu 4 chunk_sectors %u stall_ms %u", MAJOR(a->live->bd_dev),
		       MINOR(a->live->bd_dev), (unsigned long long)a->start_sector,
		       1U << a->chunk_shift, READ_ONCE(a->stall_ms));
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

static int set_stall(struct tm_attachment *a, const char *value)
{
	unsigned int stall_ms;

	if (kstrtouint(value, 10, &stall_ms) || stall_ms > STALL_MS_MAX) {
		DMERR("stall_ms is a number of milliseconds, at most %u", STALL_MS_MAX);
		return -EINVAL;
	}
	WRITE_ONCE(a->stall_ms, stall_ms);
	return 0;
}

static int tidemark_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			    unsigned int maxlen)
{
	struct tm_attachment *a = ti->private;

	if (argc == 2 && !strcasecmp(argv[0], "stall_ms"))
		return set_stall(a, argv[1]);
	if (argc == 1 && !strcasecmp(argv[0], "forget")) {
		tm_attachment_forget(a);
		return 0;
	}
	DMERR("messages are: stall_ms <n>, forget");
	return -EINVAL;
}

static struct target_type tidemark_target = {
	.name = TIDEMARK_TARGET_NAME,
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = tidemark_ctr,
	.dtr = tidemark_dtr,
	.map = tidemark_map,
	.status = tidemark_status,
	.message = tidemark_message,
};

int tm_target_init(void)
{
	return dm_register_target(&tidemark_target);
}

void tm_target_exit(void)
{
	dm_unregister_target(&tidemark_target);
}
