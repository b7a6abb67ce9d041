// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Errors on order: by operation, sectors, how often, and how probably. A request
 * that fails has no effect at all.
 */
#include "tm-disk.h"

int td_fault_add(struct td_disk *disk, const struct td_rule *rule)
{
	unsigned long flags;
	int i, r = -ENOSPC;

	spin_lock_irqsave(&disk->lock, flags);
	for (i = 0; i < TD_RULES_MAX && r; i++) {
		if (disk->rules[i].ops)
			continue;
		disk->rules[i] = *rule;
		r = 0;
	}
	spin_unlock_irqrestore(&disk->lock, flags);
	return r;
}

void td_fault_clear(struct td_disk *disk)
{
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	memset(disk->rules, 0, sizeof(disk->rules));
	spin_unlock_irqrestore(&disk->lock, flags);
}

bool td_fault_any(const struct td_disk *disk)
{
	int i;

	for (i = 0; i < TD_RULES_MAX; i++)
		if (disk->rules[i].ops)
			return true;
	return false;
}

/* A flush has no sectors: it meets every rule for flushes. */
static bool rule_meets(const struct td_rule *rule, struct request *rq)
{
	sector_t first = blk_rq_pos(rq), end = first + blk_rq_sectors(rq);

	if (!(rule->ops & BIT(req_op(rq))) || !rule->count)
		return false;
	return req_op(rq) == REQ_OP_FLUSH ||
	       (first <= rule->last_sector && end > rule->first_sector);
}

blk_status_t td_fault_check_locked(struct td_disk *disk, struct request *rq)
{
	struct td_rule *rule;

	lockdep_assert_held(&disk->lock);
	for (rule = disk->rules; rule < disk->rules + TD_RULES_MAX; rule++) {
		if (!rule_meets(rule, rq))
			continue;
		if (td_random(&disk->random_state) % 1000000 >= rule->ppm)
			continue;
		rule->count--;
		return errno_to_blk_status(-rule->error);
	}
	return BLK_STS_OK;
}
