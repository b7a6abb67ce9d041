// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "scenario_instant.h"
#include "scenario_journal.h"

/* The volume after the records up to that one. */
static void apply(const struct world *world, uint64_t last_seq, struct model *model)
{
	for (uint64_t seq = world->stretch_seq; seq <= last_seq; seq++) {
		uint8_t data[SCENARIO_RECORD_BYTES];
		struct tmc_record record = scenario_record(seq, data);

		memcpy(model->data + record.offset, data, record.bytes);
	}
}

int scenario_begin_instants(struct world *world)
{
	const struct tmc_moment moment = { .stretch = world->stretch, .seq = world->stretch_seq - 1 };
	struct tmc_volume volume = model_volume(world->model);
	struct tmc_backup *backup;
	struct tmc_point point;
	int ret = tmc_backup_begin(world->repo, &volume, NULL, 2, &backup);

	if (ret < 0)
		return ret;
	put_range(backup, world->model, 0, world->model->nr_chunks, NULL);
	tmc_backup_set_moment(backup, &moment);
	ret = tmc_backup_commit(backup, 1, world->model->bytes, &point);
	if (!ret)
		world_add_point(world, &point);
	return ret;
}

static int find(struct world *world, uint64_t seq, struct tmc_instant *ret_instant)
{
	const struct tmc_when when = { .kind = TMC_WHEN_SEQ, .seq = seq };

	return tmc_instant_find(world->repo, "test-volume", &when, ret_instant);
}

static int expect_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	const struct model *model = context;

	if (memcmp(model->data + offset, data, bytes))
		fail_msg("an instant came back wrong");
	return 0;
}

static int expect_zero(void *context, uint64_t offset, uint64_t bytes)
{
	const struct model *model = context;

	for (uint64_t i = 0; i < bytes; i++)
		if (model->data[offset + i])
			fail_msg("an instant came back wrong");
	return 0;
}

static int extract(struct world *world, uint64_t seq)
{
	struct model *model = model_create(world->model->bytes, world->model->chunk_bytes);
	struct tmc_sink sink = { .data = expect_data, .zero = expect_zero, .context = model };
	struct tmc_instant instant;
	int ret = find(world, seq, &instant);

	memcpy(model->data, world->model->data, model->bytes);
	apply(world, seq, model);
	if (!ret)
		ret = tmc_instant_extract(world->repo, &instant, 1, &sink);
	model_destroy(model);
	return ret;
}

int scenario_extract_instants(struct world *world)
{
	struct tmc_interval *intervals;
	size_t nr;
	int ret = tmc_interval_list(world->repo, "test-volume", &intervals, &nr);

	if (ret < 0)
		return ret;
	assert_int_equal(nr, 1);
	assert_int_equal(intervals->first_seq, world->stretch_seq - 1);
	assert_int_equal(intervals->last_seq, world->next_seq - 1);
	free(intervals);
	ret = extract(world, world->stretch_seq + 4);
	return ret ? ret : extract(world, world->next_seq - 1);
}

int scenario_keep_instant(struct world *world)
{
	struct tmc_instant instant;
	struct tmc_point point;
	int ret = find(world, world->next_seq - 1, &instant);

	if (!ret)
		ret = tmc_instant_keep(world->repo, &instant, 2, &point);
	if (ret < 0)
		return ret;
	apply(world, world->next_seq - 1, world->model);
	world_add_point(world, &point);
	return 0;
}
