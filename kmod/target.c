// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The device-mapper target: how an administrator makes, sees and removes an
 * attachment.
 *
 *   table     0 <sectors> tidemark track|stream <device> <start> [<#words> <feature> ...]
 *             features: chunk_sectors <n> (128), stall_ms <n> (50), stacked
 *   status    track|stream <cut> <chunk_sectors> <dirty>/<chunks> <epoch>
 *             base <hex or -> preserved <n> held <n> lost <n> dropped <n> agent <yes|no>
 *             stream <off|on|behind> recorded <n> gaps <n> stalls <n>
 *             device <ok|grown|short|gone>
 *   messages  stall_ms <n>
 *             forget           everything is dirty, the next backup reads all
 *             mark <text>      name this point of the stream
 *
 * There are two ways in. Interposed: the live device is used as before, the mapped
 * device carries no data, and I/O to it fails; a second way to the same blocks would
 * only show udev a file system twice. Stacked: the mapped device is what is used, as
 * with dm-linear, and claims the live one. A write is looked at by the same code in
 * both.
 */
#include "target.h"

#include <linux/device-mapper.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "attachment.h"
#include "cut.h"
#include "interposer.h"

#define DM_MSG_PREFIX "tidemark"

#define CHUNK_SECTORS_DEFAULT 128
#define STALL_MS_DEFAULT      50
#define STALL_MS_MAX          60000

struct tm_target {
	struct tm_attachment *attachment;
	struct dm_dev *lower; /* claimed where stacked, else NULL */
	unsigned int stall_ms;
	bool stream; /* the mode */
};

/* ---------------------------------------------------------------------- construct */

/* Takes its words off as. */
static int parse_feature(struct dm_arg_set *as, unsigned int *nr_words, struct tm_geometry *g)
{
	const char *name = dm_shift_arg(as);
	unsigned int *number;

	(*nr_words)--;
	if (!strcasecmp(name, "stacked")) {
		g->stacked = true;
		return 0;
	}
	if (!strcasecmp(name, "chunk_sectors"))
		number = &g->chunk_sectors;
	else if (!strcasecmp(name, "stall_ms"))
		number = &g->stall_ms;
	else
		return -EINVAL;
	if (!*nr_words)
		return -EINVAL;
	(*nr_words)--;
	return kstrtouint(dm_shift_arg(as), 10, number);
}

static int parse_features(struct dm_target *ti, struct dm_arg_set *as, struct tm_geometry *g)
{
	static const struct dm_arg args[] = {
		{ 0, 5, "tidemark: the number of feature words is 0 to 5" },
	};
	unsigned int nr_words;
	int r;

	if (!as->argc)
		return 0;
	r = dm_read_arg_group(args, as, &nr_words, &ti->error);
	if (r)
		return r;
	while (nr_words) {
		if (parse_feature(as, &nr_words, g)) {
			ti->error = "features are: chunk_sectors <n>, stall_ms <n>, stacked";
			return -EINVAL;
		}
	}
	if (as->argc) {
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

static int parse_mode(const char *mode, struct tm_geometry *g)
{
	g->stream = !strcasecmp(mode, "stream");
	return g->stream || !strcasecmp(mode, "track") ? 0 : -EINVAL;
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
	ti->error = "arguments are: track|stream <device> <start sector> [<#words> <feature> ...]";
	if (argc < 3 || parse_mode(dm_shift_arg(&as), g))
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

/* What the mapped device lets through, where it is the way in. */
static void take_all_bios(struct dm_target *ti)
{
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_secure_erase_bios = 1;
	ti->num_write_zeroes_bios = 1;
}

static int attach(struct dm_target *ti, struct tm_target *t, const struct tm_geometry *g)
{
	const char *error;
	int r = 0;

	ti->error = "cannot claim the device: it is in use, or there is none";
	if (g->stacked)
		r = dm_get_device(ti, g->path, dm_table_get_mode(ti->table), &t->lower);
	if (r)
		return r;
	if (g->stacked)
		take_all_bios(ti);
	t->attachment = tm_attachment_attach(ti, g, &error);
	if (!IS_ERR(t->attachment))
		return 0;
	ti->error = (char *)error;
	if (t->lower)
		dm_put_device(ti, t->lower);
	return PTR_ERR(t->attachment);
}

static int tidemark_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct tm_geometry g;
	struct tm_target *t;
	int r;

	r = parse(ti, argc, argv, &g);
	if (r)
		return r;
	ti->error = "one table has one tidemark target, and nothing else";
	if (ti->begin)
		return -EINVAL;
	ti->error = "not enough memory";
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	t->stall_ms = g.stall_ms;
	t->stream = g.stream;
	r = attach(ti, t, &g);
	if (r) {
		kfree(t);
		return r;
	}
	ti->private = t;
	ti->error = NULL;
	return 0;
}

static void tidemark_dtr(struct dm_target *ti)
{
	struct tm_target *t = ti->private;

	tm_attachment_detach(t->attachment, ti);
	if (t->lower)
		dm_put_device(ti, t->lower);
	kfree(t);
}

/* What a reload can change is in force from here. */
static void tidemark_resume(struct dm_target *ti)
{
	struct tm_target *t = ti->private;

	tm_attachment_go_live(t->attachment, ti);
	WRITE_ONCE(t->attachment->stall_ms, t->stall_ms);
	tm_stream_allow(t->attachment, t->stream);
}

/* ---------------------------------------------------------------------------- use */

static int tidemark_map(struct dm_target *ti, struct bio *bio)
{
	struct tm_target *t = ti->private;

	if (!t->lower)
		return DM_MAPIO_KILL;
	bio_set_dev(bio, t->lower->bdev);
	if (bio_sectors(bio))
		bio->bi_iter.bi_sector = t->attachment->start_sector +
					 dm_target_offset(ti, bio->bi_iter.bi_sector);
	if (tm_interposer_wants(bio) && tm_interposer_submit(bio) == TM_BIO_HELD)
		return DM_MAPIO_SUBMITTED;
	return DM_MAPIO_REMAPPED;
}

static int tidemark_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct tm_target *t = ti->private;

	return t->lower ? fn(ti, t->lower, t->attachment->start_sector, ti->len, data) : 0;
}

static const char *mode_name(bool stream)
{
	return stream ? "stream" : "track";
}

static const char *live_state_name(u32 state)
{
	static const char *const names[] = {
		[TIDEMARK_LIVE_OK] = "ok",
		[TIDEMARK_LIVE_GROWN] = "grown",
		[TIDEMARK_LIVE_SHORT] = "short",
		[TIDEMARK_LIVE_GONE] = "gone",
	};

	return names[state];
}

/* sz, result and maxlen are what DMEMIT works on. */
static void emit_info(struct tm_attachment *a, char *result, unsigned int maxlen)
{
	struct tidemark_info info;
	unsigned int sz = 0;

	tm_attachment_get_info(a, &info);
	DMEMIT("%s %s %u %llu/%llu %llu ", mode_name(READ_ONCE(a->stream.allowed)),
	       tm_cut_state_name(a), 1U << a->chunk_shift, info.dirty_chunks, info.nr_chunks,
	       info.epoch);
	if (memchr_inv(info.base, 0, sizeof(info.base)))
		DMEMIT("base %*phN ", (int)sizeof(info.base), info.base);
	else
		DMEMIT("base - ");
	DMEMIT("preserved %lld held %lld lost %lld dropped %lld agent %s "
	       "stream %s recorded %lld gaps %lld stalls %lld device %s",
	       atomic64_read(&a->preserve.nr_preserved), atomic64_read(&a->preserve.nr_held),
	       atomic64_read(&a->nr_lost), atomic64_read(&a->preserve.nr_discards_dropped),
	       READ_ONCE(a->channel) ? "yes" : "no", tm_stream_state_name(a),
	       atomic64_read(&a->stream.nr_recorded), atomic64_read(&a->stream.nr_gaps),
	       atomic64_read(&a->stream.nr_stalls),
	       live_state_name(info.live_state));
}

static void tidemark_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			    char *result, unsigned int maxlen)
{
	struct tm_target *t = ti->private;
	struct tm_attachment *a = t->attachment;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		emit_info(a, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %u:%u %llu %u chunk_sectors %u stall_ms %u%s",
		       mode_name(t->stream), MAJOR(a->live->bd_dev), MINOR(a->live->bd_dev),
		       (unsigned long long)a->start_sector, a->stacked ? 5 : 4,
		       1U << a->chunk_shift, t->stall_ms, a->stacked ? " stacked" : "");
		break;
	default: /* IMA: nothing to measure */
		*result = '\0';
		break;
	}
}

static int set_stall(struct tm_target *t, const char *value)
{
	unsigned int stall_ms;

	if (kstrtouint(value, 10, &stall_ms) || stall_ms > STALL_MS_MAX) {
		DMERR("stall_ms is a number of milliseconds, at most %u", STALL_MS_MAX);
		return -EINVAL;
	}
	t->stall_ms = stall_ms;
	WRITE_ONCE(t->attachment->stall_ms, stall_ms);
	return 0;
}

/* device-mapper has split the text at its spaces. */
static int mark(struct tm_attachment *a, unsigned int argc, char **argv)
{
	char text[TIDEMARK_MARK_BYTES_MAX + 1] = "";
	unsigned int i;
	int r;

	for (i = 0; i < argc; i++) {
		if ((i && strlcat(text, " ", sizeof(text)) >= sizeof(text)) ||
		    strlcat(text, argv[i], sizeof(text)) >= sizeof(text)) {
			DMERR("a mark has at most %u bytes", TIDEMARK_MARK_BYTES_MAX);
			return -EINVAL;
		}
	}
	r = tm_stream_mark(a, text);
	if (r)
		DMERR("cannot mark: the stream is %s", tm_stream_state_name(a));
	return r;
}

static int tidemark_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			    unsigned int maxlen)
{
	struct tm_target *t = ti->private;

	if (argc == 2 && !strcasecmp(argv[0], "stall_ms"))
		return set_stall(t, argv[1]);
	if (argc == 1 && !strcasecmp(argv[0], "forget")) {
		tm_attachment_forget(t->attachment);
		return 0;
	}
	if (argc >= 2 && !strcasecmp(argv[0], "mark"))
		return mark(t->attachment, argc - 1, argv + 1);
	DMERR("messages are: stall_ms <n>, forget, mark <text>");
	return -EINVAL;
}

static struct target_type tidemark_target = {
	.name = TIDEMARK_TARGET_NAME,
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = tidemark_ctr,
	.dtr = tidemark_dtr,
	.resume = tidemark_resume,
	.map = tidemark_map,
	.iterate_devices = tidemark_iterate_devices,
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
