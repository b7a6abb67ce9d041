// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The target tidemark-serve, as docs/serve.md has its table, status and message.
 */
#include "serve_target.h"

#include <linux/device-mapper.h>
#include <linux/module.h>

#include "serve.h"

#define DM_MSG_PREFIX "tidemark-serve"

#define NR_TAGS_DEFAULT      64
#define SLOT_SECTORS_DEFAULT 512
#define TIMEOUT_MS_DEFAULT   60000
#define TIMEOUT_MS_MAX       3600000

/* ---------------------------------------------------------------------- construct */

static int parse_flag(const char *name, struct tm_serve_features *f)
{
	if (!strcasecmp(name, "read_only"))
		f->read_only = true;
	else if (!strcasecmp(name, "discard"))
		f->discard = true;
	else if (!strcasecmp(name, "zeroes"))
		f->zeroes = true;
	else
		return -EINVAL;
	return 0;
}

static unsigned int *number_of(const char *name, struct tm_serve_features *f)
{
	if (!strcasecmp(name, "queues"))
		return &f->nr_queues;
	if (!strcasecmp(name, "tags"))
		return &f->nr_tags;
	if (!strcasecmp(name, "slot_sectors"))
		return &f->slot_sectors;
	return strcasecmp(name, "timeout_ms") ? NULL : &f->timeout_ms;
}

static int parse_words(struct dm_arg_set *as, unsigned int nr_words, struct tm_serve_features *f)
{
	while (nr_words--) {
		const char *name = dm_shift_arg(as);
		unsigned int *number = number_of(name, f);
		int r;

		if (!number)
			r = parse_flag(name, f);
		else
			r = nr_words-- ? kstrtouint(dm_shift_arg(as), 10, number) : -EINVAL;
		if (r)
			return r;
	}
	return 0;
}

static int check(struct dm_target *ti, const struct tm_serve_features *f)
{
	ti->error = "queues is 1 to 16, tags 1 to 256";
	if (!f->nr_queues || f->nr_queues > TIDEMARK_SERVE_QUEUES_MAX || !f->nr_tags ||
	    f->nr_tags > TIDEMARK_SERVE_TAGS_MAX)
		return -EINVAL;
	ti->error = "slot_sectors is a multiple of 8 up to 2048";
	if (!f->slot_sectors || f->slot_sectors % 8 ||
	    f->slot_sectors > TIDEMARK_SERVE_SLOT_MAX >> SECTOR_SHIFT)
		return -EINVAL;
	ti->error = "timeout_ms is 100 to 3600000";
	return f->timeout_ms >= 100 && f->timeout_ms <= TIMEOUT_MS_MAX ? 0 : -EINVAL;
}

static int parse(struct dm_target *ti, unsigned int argc, char **argv,
		 struct tm_serve_features *f)
{
	static const struct dm_arg args[] = {
		{ 0, 11, "tidemark-serve: the number of feature words is 0 to 11" },
	};
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	unsigned int nr_words = 0;
	int r = argc ? dm_read_arg_group(args, &as, &nr_words, &ti->error) : 0;

	if (r)
		return r;
	ti->error = "features are: queues <n>, tags <n>, slot_sectors <n>, timeout_ms <n>, read_only, discard, zeroes";
	r = parse_words(&as, nr_words, f);
	if (r)
		return r;
	ti->error = "words that belong to no feature";
	return as.argc ? -EINVAL : check(ti, f);
}

static void declare(struct dm_target *ti, const struct tm_serve_features *f)
{
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = f->discard;
	ti->discards_supported = f->discard;
	ti->num_write_zeroes_bios = f->zeroes;
	ti->per_io_data_size = sizeof(struct tm_serve_io);
}

static int serve_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct tm_serve_features f = {
		.nr_queues = 1,
		.nr_tags = NR_TAGS_DEFAULT,
		.slot_sectors = SLOT_SECTORS_DEFAULT,
		.timeout_ms = TIMEOUT_MS_DEFAULT,
	};
	struct tm_serve *serve;
	int r = parse(ti, argc, argv, &f);

	if (r)
		return r;
	ti->error = "one table has one tidemark-serve target, and nothing else";
	if (ti->begin)
		return -EINVAL;
	ti->error = "not enough memory";
	r = dm_set_target_max_io_len(ti, f.slot_sectors);
	if (r)
		return r;
	serve = tm_serve_create(dm_table_get_md(ti->table), ti->len, &f);
	if (!serve)
		return -ENOMEM;
	declare(ti, &f);
	ti->private = serve;
	ti->error = NULL;
	return 0;
}

static void serve_dtr(struct dm_target *ti)
{
	tm_serve_end(ti->private);
}

static void serve_resume(struct dm_target *ti)
{
	tm_serve_go_live(ti->private);
}

/* ---------------------------------------------------------------------------- use */

/* Invariant 7 of docs/serve.md. */
static bool is_declared(const struct tm_serve *serve, const struct bio *bio)
{
	const struct tm_serve_features *f = &serve->features;

	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return true;
	case REQ_OP_WRITE:
		return !f->read_only || !bio_sectors(bio);
	case REQ_OP_DISCARD:
		return f->discard && !f->read_only;
	case REQ_OP_WRITE_ZEROES:
		return f->zeroes && !f->read_only;
	default:
		return false;
	}
}

static int serve_map(struct dm_target *ti, struct bio *bio)
{
	struct tm_serve *serve = ti->private;

	if (!is_declared(serve, bio)) {
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (WARN_ON_ONCE(bio_has_data(bio) && bio_sectors(bio) > serve->features.slot_sectors))
		return DM_MAPIO_KILL;
	bio->bi_iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
	tm_serve_submit(serve, bio);
	return DM_MAPIO_SUBMITTED;
}

/* Below it is none; without this call older kernels do not ask for hints. */
static int serve_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	return 0;
}

static void serve_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	const struct tm_serve *serve = ti->private;

	limits->io_opt = serve->features.slot_sectors << SECTOR_SHIFT;
	tm_limits_allow_discard(limits, serve->features.discard);
}

static const char *state_name(const struct tm_serve *serve, bool served)
{
	if (served)
		return "served";
	return READ_ONCE(serve->fails) ? "failing" : "waiting";
}

static void serve_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			 char *result, unsigned int maxlen)
{
	struct tm_serve *serve = ti->private;
	const struct tm_serve_features *f = &serve->features;
	struct tm_serve_counts counts;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		tm_serve_count(serve, &counts);
		DMEMIT("%s queues %u waiting %u sent %u answered %lld failed %lld servers %lld",
		       state_name(serve, counts.served), f->nr_queues, counts.nr_waiting,
		       counts.nr_sent, atomic64_read(&serve->nr_answered),
		       atomic64_read(&serve->nr_failed), atomic64_read(&serve->nr_servers));
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%u queues %u tags %u slot_sectors %u timeout_ms %u%s%s%s",
		       8 + f->read_only + f->discard + f->zeroes, f->nr_queues, f->nr_tags,
		       f->slot_sectors, f->timeout_ms, f->read_only ? " read_only" : "",
		       f->discard ? " discard" : "", f->zeroes ? " zeroes" : "");
		break;
	default: /* IMA: nothing to measure */
		*result = '\0';
		break;
	}
}

static int serve_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			 unsigned int maxlen)
{
	if (argc == 1 && !strcasecmp(argv[0], "fail")) {
		tm_serve_fail(ti->private);
		return 0;
	}
	DMERR("the message is: fail");
	return -EINVAL;
}

static struct target_type serve_target = {
	.name = TIDEMARK_SERVE_TARGET_NAME,
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = serve_ctr,
	.dtr = serve_dtr,
	.resume = serve_resume,
	.map = serve_map,
	.iterate_devices = serve_iterate_devices,
	.io_hints = serve_io_hints,
	.status = serve_status,
	.message = serve_message,
};

int tm_serve_target_init(void)
{
	return dm_register_target(&serve_target);
}

void tm_serve_target_exit(void)
{
	dm_unregister_target(&serve_target);
}
