// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the disk holds, and what a power cut makes of it.
 *
 * Durable content is in pages; one that is not there is zero, so that a disk of
 * terabytes costs what is written to it. With a volatile cache a write goes to
 * *versions* of physical blocks instead, which the drive's promise makes atomic. A
 * flush makes the latest version of each block durable, FUA does so for the blocks
 * of one request, and a power cut picks, for each block alone, by a hash of seed and
 * block number: what was durable, or any version since. Discards and write-zeroes are
 * writes of zeroes.
 *
 * A request takes effect at the moment it is completed, whatever its way there: so a
 * flush covers what was completed before it, as the standards have it, and not what
 * merely was on its way.
 *
 * Requests are worked on in any context and nothing may fail half way: prepare takes
 * all memory before, or has the request tried again.
 */
#include "tm-disk.h"

#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>

#define TD_GFP (GFP_NOWAIT | __GFP_NOWARN)

/* Older ones are forgotten: a power cut then cannot pick them, and need not. */
#define VERSIONS_MAX 8

struct td_version {
	struct list_head node; /* td_block.versions, oldest first; td_command.versions */
	u64 block;
	bool zero;
	u8 data[];
};

struct td_block {
	struct list_head dirty; /* td_disk.dirty, or empty */
	struct list_head versions;
	unsigned int nr_versions;
	u64 index;
};

static unsigned int block_bytes(const struct td_disk *disk)
{
	return 1U << disk->block_shift;
}

static u64 rq_first_byte(struct request *rq)
{
	return (u64)blk_rq_pos(rq) << SECTOR_SHIFT;
}

static u64 rq_last_byte(struct request *rq)
{
	return rq_first_byte(rq) + blk_rq_bytes(rq) - 1;
}

static bool writes_zeroes(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		return true;
	default:
		return false;
	}
}

/* ------------------------------------------------------------------ durable content */

static void *find_page(struct td_disk *disk, u64 byte)
{
	return xa_load(&disk->pages, byte >> PAGE_SHIFT);
}

static int ensure_page(struct td_disk *disk, u64 byte)
{
	void *page;
	int r;

	if (find_page(disk, byte))
		return 0;
	page = (void *)__get_free_page(TD_GFP | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	r = xa_err(xa_store(&disk->pages, byte >> PAGE_SHIFT, page, TD_GFP));
	if (r)
		free_page((unsigned long)page);
	return r;
}

static void zero_durable(struct td_disk *disk, u64 first, u64 last)
{
	unsigned long index;
	void *page;

	xa_for_each_range(&disk->pages, index, page, first >> PAGE_SHIFT, last >> PAGE_SHIFT) {
		u64 start = max_t(u64, first, (u64)index << PAGE_SHIFT);
		u64 end = min_t(u64, last + 1, ((u64)index + 1) << PAGE_SHIFT);

		/* With a cache, blocks count on their pages for as long as they live. */
		if (end - start == PAGE_SIZE && !disk->nr_prepared && !disk->options.cache) {
			xa_erase(&disk->pages, index);
			free_page((unsigned long)page);
		} else {
			memset(page + offset_in_page(start), 0, end - start);
		}
	}
}

/* ---------------------------------------------------------------------------- cache */

static void free_versions(struct list_head *versions)
{
	struct td_version *v, *next;

	list_for_each_entry_safe(v, next, versions, node)
		kfree(v);
	INIT_LIST_HEAD(versions);
}

static int ensure_block(struct td_disk *disk, u64 index)
{
	struct td_block *block;
	int r;

	if (xa_load(&disk->blocks, index))
		return 0;
	block = kzalloc(sizeof(*block), TD_GFP);
	if (!block)
		return -ENOMEM;
	INIT_LIST_HEAD(&block->dirty);
	INIT_LIST_HEAD(&block->versions);
	block->index = index;
	r = xa_err(xa_store(&disk->blocks, index, block, TD_GFP));
	if (r)
		kfree(block);
	return r;
}

static int add_version(struct td_disk *disk, struct td_command *command, u64 block, bool zero)
{
	struct td_version *v;

	v = kmalloc(sizeof(*v) + (zero ? 0 : block_bytes(disk)), TD_GFP);
	if (!v)
		return -ENOMEM;
	v->block = block;
	v->zero = zero;
	list_add_tail(&v->node, &command->versions);
	return 0;
}

static void push_version(struct td_disk *disk, struct td_version *v)
{
	struct td_block *block = xa_load(&disk->blocks, v->block);

	list_move_tail(&v->node, &block->versions);
	if (list_empty(&block->dirty))
		list_add_tail(&block->dirty, &disk->dirty);
	if (++block->nr_versions > VERSIONS_MAX) {
		v = list_first_entry(&block->versions, struct td_version, node);
		list_del(&v->node);
		kfree(v);
		block->nr_versions--;
	}
}

/* v becomes durable, NULL: what was stays; the cache has nothing of the block then. */
static void settle_block(struct td_disk *disk, struct td_block *block, struct td_version *v)
{
	u64 byte = block->index << disk->block_shift;
	u8 *page = find_page(disk, byte);

	if (v && v->zero)
		memset(page + offset_in_page(byte), 0, block_bytes(disk));
	else if (v)
		memcpy(page + offset_in_page(byte), v->data, block_bytes(disk));
	free_versions(&block->versions);
	block->nr_versions = 0;
	list_del_init(&block->dirty);
}

static struct td_version *latest_version(struct td_block *block)
{
	return block->nr_versions ? list_last_entry(&block->versions, struct td_version, node) :
				    NULL;
}

static void flush_block(struct td_disk *disk, struct td_block *block)
{
	settle_block(disk, block, latest_version(block));
}

static void flush_all(struct td_disk *disk)
{
	struct td_block *block, *next;

	list_for_each_entry_safe(block, next, &disk->dirty, dirty)
		flush_block(disk, block);
}

static void flush_request(struct td_disk *disk, struct request *rq)
{
	u64 first = rq_first_byte(rq) >> disk->block_shift;
	u64 last = rq_last_byte(rq) >> disk->block_shift;
	struct td_block *block;
	unsigned long index;

	xa_for_each_range(&disk->blocks, index, block, first, last)
		if (block->nr_versions)
			flush_block(disk, block);
}

/* ------------------------------------------------------------------------- contents */

/* What a reader sees at this byte; NULL: zero. */
static u8 *find_content(struct td_disk *disk, u64 byte)
{
	struct td_block *block = NULL;
	struct td_version *v;
	u8 *page;

	if (disk->options.cache)
		block = xa_load(&disk->blocks, byte >> disk->block_shift);
	v = block ? latest_version(block) : NULL;
	if (v)
		return v->zero ? NULL : v->data + (byte & (block_bytes(disk) - 1));
	page = find_page(disk, byte);
	return page ? page + offset_in_page(byte) : NULL;
}

static void read_piece(struct td_disk *disk, u64 byte, u8 *buffer, unsigned int bytes)
{
	u8 *content = find_content(disk, byte);

	if (content)
		memcpy(buffer, content, bytes);
	else
		memset(buffer, 0, bytes);
}

/* The version that this byte goes to; the first byte of a block completes the one before. */
static struct td_version *version_for(struct td_disk *disk, struct td_command *command, u64 byte)
{
	struct td_version *v = list_first_entry(&command->versions, struct td_version, node);
	u64 block = byte >> disk->block_shift;

	if (v->block == block)
		return v;
	push_version(disk, v);
	return list_first_entry(&command->versions, struct td_version, node);
}

static u8 *place_for(struct td_disk *disk, struct request *rq, u64 byte)
{
	struct td_version *v;
	u64 start;

	if (!disk->options.cache)
		return find_page(disk, byte) + offset_in_page(byte);
	v = version_for(disk, blk_mq_rq_to_pdu(rq), byte);
	start = v->block << disk->block_shift;
	/* The first byte of ours in this block: the rest of it stays as it is. */
	if (byte == max_t(u64, start, rq_first_byte(rq)))
		read_piece(disk, start, v->data, block_bytes(disk));
	return v->data + (byte - start);
}

static void write_piece(struct td_disk *disk, struct request *rq, u64 byte, const u8 *buffer,
			unsigned int bytes)
{
	u8 *place = place_for(disk, rq, byte);

	memcpy(place, buffer, bytes);
	/* What was stored: the page written from may be changing. */
	td_log_payload_locked(&disk->log, place, bytes);
}

/* A block that is zeroed in part keeps the rest: its version has data. */
static void zero_cached(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	struct td_version *v, *next;

	list_for_each_entry_safe(v, next, &command->versions, node) {
		u64 start = v->block << disk->block_shift;
		u64 from = max_t(u64, start, rq_first_byte(rq));
		u64 to = min_t(u64, start + block_bytes(disk), rq_last_byte(rq) + 1);

		if (!v->zero) {
			read_piece(disk, start, v->data, block_bytes(disk));
			memset(v->data + (from - start), 0, to - from);
		}
		push_version(disk, v);
	}
}

/* Pieces stay within a page and within a physical block. */
static void move_data(struct td_disk *disk, struct request *rq)
{
	u64 byte = rq_first_byte(rq);
	bool write = req_op(rq) == REQ_OP_WRITE;
	struct req_iterator iter;
	struct bio_vec bv;

	rq_for_each_segment(bv, rq, iter) {
		u8 *buffer = page_address(bv.bv_page) + bv.bv_offset;
		unsigned int left = bv.bv_len, bytes;

		for (; left; left -= bytes, buffer += bytes, byte += bytes) {
			bytes = block_bytes(disk) - (byte & (block_bytes(disk) - 1));
			bytes = min(bytes, left);
			if (!write)
				read_piece(disk, byte, buffer, bytes);
			else if (disk->options.memory)
				write_piece(disk, rq, byte, buffer, bytes);
			else
				td_log_payload_locked(&disk->log, buffer, bytes);
		}
	}
}

static void move_data_cached(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	struct td_version *v, *next;

	move_data(disk, rq);
	list_for_each_entry_safe(v, next, &command->versions, node)
		push_version(disk, v);
}

/* --------------------------------------------------------------------------- requests */

static int prepare_write(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	u64 byte, first = rq_first_byte(rq), last = rq_last_byte(rq), block;
	int r = 0;

	for (byte = round_down(first, PAGE_SIZE); !r && byte <= last; byte += PAGE_SIZE)
		r = ensure_page(disk, byte);
	if (!disk->options.cache)
		return r;
	for (block = first >> disk->block_shift; !r && block <= last >> disk->block_shift; block++)
		r = ensure_block(disk, block) ?: add_version(disk, command, block, false);
	return r;
}

static bool is_covered(const struct td_disk *disk, struct request *rq, u64 block)
{
	return block << disk->block_shift >= rq_first_byte(rq) &&
	       (block + 1) << disk->block_shift <= rq_last_byte(rq) + 1;
}

/* A block that nothing was ever written to is zero already. */
static int prepare_zeroes(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	u64 first = rq_first_byte(rq) >> disk->block_shift;
	u64 last = rq_last_byte(rq) >> disk->block_shift;
	struct td_block *block;
	unsigned long index;
	int r = 0;

	xa_for_each_range(&disk->blocks, index, block, first, last) {
		r = add_version(disk, command, index, is_covered(disk, rq, index));
		if (r)
			break;
	}
	return r;
}

blk_status_t td_store_prepare(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	unsigned long flags;
	int r = 0;

	INIT_LIST_HEAD(&command->versions);
	command->counted = false;
	if (!disk->options.memory)
		return BLK_STS_OK;
	spin_lock_irqsave(&disk->lock, flags);
	if (req_op(rq) == REQ_OP_WRITE)
		r = prepare_write(disk, rq);
	else if (writes_zeroes(rq) && disk->options.cache)
		r = prepare_zeroes(disk, rq);
	if (!r && req_op(rq) == REQ_OP_WRITE) {
		command->counted = true;
		disk->nr_prepared++;
	}
	spin_unlock_irqrestore(&disk->lock, flags);
	if (!r)
		return BLK_STS_OK;
	free_versions(&command->versions);
	return BLK_STS_RESOURCE;
}

static void count(struct td_disk *disk, struct request *rq)
{
	struct td_counters *c = &disk->counters;

	switch (req_op(rq)) {
	case REQ_OP_READ:
		c->reads++;
		break;
	case REQ_OP_WRITE:
		c->writes++;
		break;
	case REQ_OP_FLUSH:
		c->flushes++;
		break;
	case REQ_OP_DISCARD:
		c->discards++;
		break;
	case REQ_OP_WRITE_ZEROES:
		c->write_zeroes++;
		break;
	case REQ_OP_SECURE_ERASE:
		c->secure_erases++;
		break;
	default:
		break;
	}
	if (rq->cmd_flags & REQ_FUA)
		c->fua++;
	if (rq->mq_hctx->type == HCTX_TYPE_POLL)
		c->polled++;
}

static bool take_effect(struct td_disk *disk, struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		if (disk->options.memory)
			move_data(disk, rq);
		return true;
	case REQ_OP_WRITE:
		if (disk->options.cache)
			move_data_cached(disk, rq);
		else
			move_data(disk, rq);
		break;
	case REQ_OP_FLUSH:
		flush_all(disk);
		return true;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		if (disk->options.cache)
			zero_cached(disk, rq);
		else
			zero_durable(disk, rq_first_byte(rq), rq_last_byte(rq));
		break;
	default:
		return false;
	}
	if (disk->options.cache && (rq->cmd_flags & REQ_FUA))
		flush_request(disk, rq);
	return true;
}

static enum td_op log_op(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_WRITE:
		return TD_WRITE;
	case REQ_OP_FLUSH:
		return TD_FLUSH;
	case REQ_OP_DISCARD:
		return TD_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return TD_WRITE_ZEROES;
	case REQ_OP_SECURE_ERASE:
		return TD_SECURE_ERASE;
	default:
		return 0;
	}
}

static void begin_record(struct td_disk *disk, struct request *rq)
{
	struct td_record record = { .op = log_op(rq) };

	if (!record.op)
		return;
	if (record.op != TD_FLUSH) {
		record.sector = blk_rq_pos(rq);
		record.nr_sectors = blk_rq_sectors(rq);
	}
	if (rq->cmd_flags & REQ_FUA)
		record.flags |= TD_FLAG_FUA;
	if (rq->cmd_flags & REQ_NOWAIT)
		record.flags |= TD_FLAG_NOWAIT;
	if (rq->mq_hctx->type == HCTX_TYPE_POLL)
		record.flags |= TD_FLAG_POLLED;
	td_log_begin_locked(&disk->log, &record);
}

blk_status_t td_store_execute(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	blk_status_t status = BLK_STS_IOERR;
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	if (command->counted)
		disk->nr_prepared--;
	count(disk, rq);
	begin_record(disk, rq);
	if (disk->powered && !READ_ONCE(disk->gone))
		status = td_fault_check_locked(disk, rq);
	if (!status && !take_effect(disk, rq))
		status = BLK_STS_NOTSUPP;
	td_log_end_locked(&disk->log, status);
	if (status)
		disk->counters.failed++;
	spin_unlock_irqrestore(&disk->lock, flags);
	free_versions(&command->versions);
	return status;
}

/* ------------------------------------------------------------------------------ power */

/* The version that survives, by chance alone; NULL: none of them. */
static struct td_version *pick_version(struct td_disk *disk, struct td_block *block, u64 seed)
{
	u64 state = seed ^ hash_64(block->index, 64);
	unsigned int n = td_random(&state) % (block->nr_versions + 1);
	struct td_version *v;

	if (n == 0) {
		disk->counters.dropped++;
		return NULL;
	}
	if (n == block->nr_versions)
		disk->counters.kept++;
	else
		disk->counters.older++;
	list_for_each_entry(v, &block->versions, node)
		if (--n == 0)
			return v;
	return NULL;
}

void td_store_power_cut(struct td_disk *disk, u64 seed)
{
	struct td_block *block, *next;
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	disk->powered = false;
	list_for_each_entry_safe(block, next, &disk->dirty, dirty)
		settle_block(disk, block, pick_version(disk, block, seed));
	td_log_note_locked(&disk->log, TD_POWER_CUT, 0);
	spin_unlock_irqrestore(&disk->lock, flags);
}

void td_store_power_on(struct td_disk *disk)
{
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	disk->powered = true;
	td_log_note_locked(&disk->log, TD_POWER_ON, 0);
	spin_unlock_irqrestore(&disk->lock, flags);
}

/* --------------------------------------------------------------------------- lifetime */

void td_store_init(struct td_disk *disk)
{
	disk->powered = true;
	xa_init(&disk->pages);
	xa_init(&disk->blocks);
	INIT_LIST_HEAD(&disk->dirty);
}

void td_store_destroy(struct td_disk *disk)
{
	struct td_block *block;
	unsigned long index;
	void *page;

	xa_for_each(&disk->blocks, index, block) {
		free_versions(&block->versions);
		kfree(block);
	}
	xa_destroy(&disk->blocks);
	xa_for_each(&disk->pages, index, page)
		free_page((unsigned long)page);
	xa_destroy(&disk->pages);
}
