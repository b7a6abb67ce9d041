// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Bios whose completion is that of another one: bio_chain().
 *
 * bio_endio() walks a chain in a loop; the function that bio_chain() puts in bi_end_io
 * is a mark for that loop, and calling it is a BUG on 7.2. So a link goes back to
 * bio_endio(), which may be called again for a bio that has completed.
 *
 * With our own completion over each link that is a recursion where compilers make no
 * jumps of tail calls, as deep as the chain is long: a large discard has thousands of
 * links, and where the first is the last to complete they all end at once. So a link
 * that ends inside the end of another one waits for that to return.
 */
#include "chain.h"

#include <linux/bio.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

bio_end_io_t *tm_chain_end_io __ro_after_init;

enum context { IN_TASK, IN_SOFTIRQ, IN_HARDIRQ, NR_CONTEXTS };

/* Of its CPU and context alone: what interrupts us has its own and leaves it empty. */
struct ending {
	bool busy;
	struct bio_list links;
};

static DEFINE_PER_CPU(struct ending[NR_CONTEXTS], endings);

static enum context context(void)
{
	if (hardirq_count())
		return IN_HARDIRQ;
	return in_serving_softirq() ? IN_SOFTIRQ : IN_TASK;
}

void tm_chain_end(struct bio *bio)
{
	struct ending *ending;

	preempt_disable();
	ending = this_cpu_ptr(&endings[context()]);
	bio_list_add(&ending->links, bio);
	if (!ending->busy) {
		ending->busy = true;
		while ((bio = bio_list_pop(&ending->links)))
			bio_endio(bio);
		ending->busy = false;
	}
	preempt_enable();
}

/* The mark has no name outside of the core: a link shows it. */
void tm_chain_init(void)
{
	struct bio link = {}, next = {};

	bio_chain(&link, &next);
	tm_chain_end_io = link.bi_end_io;
}
