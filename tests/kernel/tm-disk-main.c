// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A disk for tests, in memory, that can do what a real one only does on a bad day.
 * Commands are written to /sys/kernel/debug/tm-disk/control, one per write(), and
 * fail with what is wrong as errno:
 *
 *   add NAME size=BYTES [WORD=VALUE]...    a disk /dev/NAME
 *       mode=memory         or null: completes each request at once, holds nothing
 *       logical=512         block sizes, from 512 to 4096
 *       physical=4096       what a power cut leaves whole
 *       queues=1 depth=64   hardware queues, requests in each
 *       poll=0              further queues, for polled I/O
 *       max_kb=1024         largest request
 *       discard=1           discard, write-zeroes, secure erase; they leave zeroes
 *       cache=0 fua=1       a volatile write cache, and whether FUA passes it
 *       log=0 payload=0     bytes of memory for the log; keep payloads as well
 *       and what set takes
 *   set NAME [WORD=VALUE]...
 *       delay_us=0          each request takes that long
 *       window=0            requests gathered, then done in shuffled order
 *       seed=0              of all chance: shuffling, probability of errors
 *   fail NAME op=OP [first=SECTOR] [last=SECTOR] [count=N] [ppm=N] [error=ERRNO]
 *       op is read, write, flush, discard, zeroes, erase or any. Eight at a time.
 *   heal NAME               no more errors
 *   power_cut NAME [seed=N] lose some of what was not flushed; I/O fails from now on
 *   power_on NAME           I/O works again, on what was left
 *   resize NAME size=BYTES
 *   clear_log NAME
 *   remove NAME             takes the device away, in use or not: requests under
 *                           way are finished, later ones fail
 *   unplug NAME             likewise, and requests under way fail, too
 *
 * Sizes may have a suffix (64M). The directory NAME beside control has "status", a
 * word and a number per line, and "log" (tm-disk-record.h; read it while nothing
 * writes). Removing the module removes the disks.
 *
 * Not handled: zones, integrity data, highmem kernels.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "tm-disk.h"

#define NR_DISKS_MAX 64

static LIST_HEAD(disks); /* disks_mutex */
static DEFINE_MUTEX(disks_mutex);
static DECLARE_BITMAP(indices, NR_DISKS_MAX); /* disks_mutex */
static struct dentry *root_dir;

/* ------------------------------------------------------------------------ words of a line */

struct word {
	const char *name;
	u64 *value;
	bool given;
};

static const struct {
	const char *name;
	u32 ops;
} op_names[] = {
	{ "read", BIT(REQ_OP_READ) },
	{ "write", BIT(REQ_OP_WRITE) },
	{ "flush", BIT(REQ_OP_FLUSH) },
	{ "discard", BIT(REQ_OP_DISCARD) },
	{ "zeroes", BIT(REQ_OP_WRITE_ZEROES) },
	{ "erase", BIT(REQ_OP_SECURE_ERASE) },
	{ "any", BIT(REQ_OP_READ) | BIT(REQ_OP_WRITE) | BIT(REQ_OP_FLUSH) | BIT(REQ_OP_DISCARD) |
			 BIT(REQ_OP_WRITE_ZEROES) | BIT(REQ_OP_SECURE_ERASE) },
};

/* Words that are no numbers stand for one. */
static int parse_value(const char *text, u64 *ret_value)
{
	char *end;
	int i;

	if (!strcmp(text, "null") || !strcmp(text, "memory")) {
		*ret_value = text[0] == 'm';
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(op_names); i++) {
		if (!strcmp(text, op_names[i].name)) {
			*ret_value = op_names[i].ops;
			return 0;
		}
	}
	*ret_value = memparse(text, &end);
	return *text && !*end ? 0 : -EINVAL;
}

static int parse_word(struct word *words, char *text)
{
	char *name = strsep(&text, "=");

	for (; text && words->name; words++) {
		if (strcmp(words->name, name))
			continue;
		words->given = true;
		return parse_value(text, words->value);
	}
	return -EINVAL;
}

/* words ends with one that has no name. */
static int parse_words(struct word *words, char *line)
{
	char *text;
	int r = 0;

	while (!r && (text = strsep(&line, " ")))
		if (*text)
			r = parse_word(words, text);
	return r;
}

/* ---------------------------------------------------------------------------------- files */

static void show_counters(struct seq_file *m, const struct td_counters *c)
{
	seq_printf(m, "reads %llu\nwrites %llu\nflushes %llu\n", c->reads, c->writes, c->flushes);
	seq_printf(m, "discards %llu\nwrite_zeroes %llu\nsecure_erases %llu\n", c->discards,
		   c->write_zeroes, c->secure_erases);
	seq_printf(m, "fua %llu\npolled %llu\nfailed %llu\n", c->fua, c->polled, c->failed);
	seq_printf(m, "kept %llu\nolder %llu\ndropped %llu\n", c->kept, c->older, c->dropped);
}

static int status_show(struct seq_file *m, void *unused)
{
	struct td_disk *disk = m->private;
	struct td_counters counters;
	struct td_log log;
	unsigned long flags;
	bool powered;

	spin_lock_irqsave(&disk->lock, flags);
	counters = disk->counters;
	log = disk->log;
	powered = disk->powered;
	spin_unlock_irqrestore(&disk->lock, flags);
	seq_printf(m, "powered %d\n", powered);
	show_counters(m, &counters);
	seq_printf(m, "log_records %llu\nlog_bytes %llu\nlog_dropped %llu\n", log.seq,
		   log.used_bytes, log.nr_dropped);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

static ssize_t log_read(struct file *file, char __user *buffer, size_t bytes, loff_t *pos)
{
	struct td_disk *disk = file->private_data;

	return simple_read_from_buffer(buffer, bytes, pos, disk->log.data, disk->log.used_bytes);
}

static const struct file_operations log_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = log_read,
	.llseek = default_llseek,
};

/* ------------------------------------------------------------------------------- commands */

static struct td_disk *find_disk(const char *name)
{
	struct td_disk *disk;

	lockdep_assert_held(&disks_mutex);
	list_for_each_entry(disk, &disks, node)
		if (!strcmp(disk->name, name))
			return disk;
	return NULL;
}

static bool is_block_size(u64 bytes)
{
	return is_power_of_2(bytes) && bytes >= 512 && bytes <= 4096;
}

static bool options_are_fine(const struct td_options *o)
{
	return o->size_bytes && o->size_bytes % o->physical_bytes == 0 &&
	       is_block_size(o->logical_bytes) && is_block_size(o->physical_bytes) &&
	       o->logical_bytes <= o->physical_bytes && o->nr_queues && o->nr_queues <= 64 &&
	       o->nr_poll_queues <= 64 && o->depth && o->depth <= 1024 && o->max_kb >= 4 &&
	       o->max_kb <= 65536 && (o->memory || !o->cache) && o->log_bytes <= SZ_1G;
}

static int parse_options(struct td_options *o, char *line)
{
	u64 size = 0, memory = 1, logical = 512, physical = 4096, queues = 1, depth = 64, poll = 0;
	u64 max_kb = 1024, discard = 1, cache = 0, fua = 1, log = 0, payload = 0;
	u64 delay_us = 0, window = 0, seed = 0;
	struct word words[] = {
		{ "size", &size }, { "mode", &memory }, { "logical", &logical },
		{ "physical", &physical }, { "queues", &queues }, { "depth", &depth },
		{ "poll", &poll }, { "max_kb", &max_kb }, { "discard", &discard },
		{ "cache", &cache }, { "fua", &fua }, { "log", &log }, { "payload", &payload },
		{ "delay_us", &delay_us }, { "window", &window }, { "seed", &seed }, {},
	};
	int r = parse_words(words, line);

	if (r)
		return r;
	*o = (struct td_options){
		.size_bytes = size, .memory = memory, .logical_bytes = logical,
		.physical_bytes = physical, .nr_queues = queues, .depth = depth,
		.nr_poll_queues = poll, .max_kb = max_kb, .discard = discard, .cache = cache,
		.fua = fua && cache, .log_bytes = log, .log_payload = payload,
		.delay_us = delay_us, .window = window, .seed = seed,
	};
	return options_are_fine(o) ? 0 : -EINVAL;
}

static void free_disk(struct td_disk *disk)
{
	td_store_destroy(disk);
	td_log_destroy(&disk->log);
	clear_bit(disk->index, indices);
	kfree(disk);
}

static struct td_disk *create_disk(const char *name, const struct td_options *o)
{
	struct td_disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);

	if (!disk)
		return NULL;
	strscpy(disk->name, name, sizeof(disk->name));
	disk->options = *o;
	disk->random_state = o->seed;
	disk->block_shift = ilog2(o->physical_bytes);
	disk->index = find_first_zero_bit(indices, NR_DISKS_MAX);
	spin_lock_init(&disk->lock);
	td_store_init(disk);
	set_bit(disk->index, indices);
	return disk;
}

static void create_files(struct td_disk *disk)
{
	disk->dir = debugfs_create_dir(disk->name, root_dir);
	debugfs_create_file("status", 0400, disk->dir, disk, &status_fops);
	debugfs_create_file("log", 0400, disk->dir, disk, &log_fops);
}

static int do_add(const char *name, char *line)
{
	struct td_options options;
	struct td_disk *disk;
	int r = parse_options(&options, line);

	if (r)
		return r;
	if (strlen(name) >= DISK_NAME_LEN - 4 || !strcmp(name, "control"))
		return -ENAMETOOLONG;
	if (find_disk(name))
		return -EEXIST;
	if (bitmap_full(indices, NR_DISKS_MAX))
		return -ENOSPC;
	disk = create_disk(name, &options);
	if (!disk)
		return -ENOMEM;
	r = td_log_create(&disk->log, options.log_bytes, options.log_payload);
	if (!r)
		r = td_queue_create(disk);
	if (r) {
		free_disk(disk);
		return r;
	}
	create_files(disk);
	list_add_tail(&disk->node, &disks);
	return 0;
}

static int do_remove(struct td_disk *disk, char *line)
{
	list_del(&disk->node);
	debugfs_remove_recursive(disk->dir);
	td_queue_destroy(disk);
	free_disk(disk);
	return 0;
}

static int do_unplug(struct td_disk *disk, char *line)
{
	td_queue_mark_dead(disk);
	return do_remove(disk, line);
}

static int do_set(struct td_disk *disk, char *line)
{
	u64 delay_us = disk->options.delay_us, window = disk->options.window;
	u64 seed = disk->options.seed;
	struct word words[] = {
		{ "delay_us", &delay_us }, { "window", &window }, { "seed", &seed }, {},
	};
	int r = parse_words(words, line);

	if (r)
		return r;
	WRITE_ONCE(disk->options.delay_us, delay_us);
	WRITE_ONCE(disk->options.window, window);
	spin_lock_irq(&disk->lock);
	if (words[2].given)
		disk->random_state = disk->options.seed = seed;
	spin_unlock_irq(&disk->lock);
	return 0;
}

static int do_fail(struct td_disk *disk, char *line)
{
	u64 ops = 0, first = 0, last = U64_MAX, count = U64_MAX, ppm = 1000000, error = EIO;
	struct word words[] = {
		{ "op", &ops }, { "first", &first }, { "last", &last },
		{ "count", &count }, { "ppm", &ppm }, { "error", &error }, {},
	};
	struct td_rule rule;
	int r = parse_words(words, line);

	if (r)
		return r;
	rule = (struct td_rule){
		.ops = ops, .first_sector = first, .last_sector = last, .count = count,
		.ppm = ppm, .error = error,
	};
	return rule.ops ? td_fault_add(disk, &rule) : -EINVAL;
}

static int do_heal(struct td_disk *disk, char *line)
{
	td_fault_clear(disk);
	return 0;
}

static int do_power_cut(struct td_disk *disk, char *line)
{
	u64 seed = disk->options.seed;
	struct word words[] = { { "seed", &seed }, {} };
	int r = parse_words(words, line);

	if (!r)
		td_store_power_cut(disk, seed);
	return r;
}

static int do_power_on(struct td_disk *disk, char *line)
{
	td_store_power_on(disk);
	return 0;
}

static int do_resize(struct td_disk *disk, char *line)
{
	u64 size = 0;
	struct word words[] = { { "size", &size }, {} };
	int r = parse_words(words, line);

	if (r || !size || size % disk->options.physical_bytes)
		return r ?: -EINVAL;
	spin_lock_irq(&disk->lock);
	td_log_note_locked(&disk->log, TD_RESIZE, size >> SECTOR_SHIFT);
	spin_unlock_irq(&disk->lock);
	return td_queue_resize(disk, size);
}

static int do_clear_log(struct td_disk *disk, char *line)
{
	spin_lock_irq(&disk->lock);
	td_log_clear_locked(&disk->log);
	spin_unlock_irq(&disk->lock);
	return 0;
}

static const struct {
	const char *verb;
	int (*run)(struct td_disk *disk, char *line);
	bool ends_disk;
} commands[] = {
	{ "remove", do_remove, true },
	{ "unplug", do_unplug, true },
	{ "set", do_set },
	{ "fail", do_fail },
	{ "heal", do_heal },
	{ "power_cut", do_power_cut },
	{ "power_on", do_power_on },
	{ "resize", do_resize },
	{ "clear_log", do_clear_log },
};

static int run_on_disk(const char *verb, const char *name, char *line)
{
	struct td_disk *disk = find_disk(name);
	int i, r;

	if (!disk)
		return -ENODEV;
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].verb, verb))
			continue;
		r = commands[i].run(disk, line);
		if (!commands[i].ends_disk)
			td_queue_choose_way(disk);
		return r;
	}
	return -EINVAL;
}

static int run_command(char *line)
{
	const char *verb = strsep(&line, " "), *name = strsep(&line, " ");
	int r;

	if (!name || !*name)
		return -EINVAL;
	mutex_lock(&disks_mutex);
	if (!strcmp(verb, "add"))
		r = do_add(name, line);
	else
		r = run_on_disk(verb, name, line);
	mutex_unlock(&disks_mutex);
	return r;
}

static ssize_t control_write(struct file *file, const char __user *buffer, size_t bytes,
			     loff_t *pos)
{
	char *line;
	int r;

	if (bytes > PAGE_SIZE)
		return -E2BIG;
	line = memdup_user_nul(buffer, bytes);
	if (IS_ERR(line))
		return PTR_ERR(line);
	r = run_command(strim(line));
	kfree(line);
	return r ?: bytes;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = control_write,
};

static int __init td_init(void)
{
	int r = td_queue_init();

	if (r)
		return r;
	root_dir = debugfs_create_dir("tm-disk", NULL);
	debugfs_create_file("control", 0200, root_dir, NULL, &control_fops);
	return 0;
}

static void __exit td_exit(void)
{
	struct td_disk *disk, *next;

	debugfs_remove_recursive(root_dir);
	mutex_lock(&disks_mutex);
	list_for_each_entry_safe(disk, next, &disks, node) {
		disk->dir = NULL; /* went with root_dir */
		do_remove(disk, NULL);
	}
	mutex_unlock(&disks_mutex);
	td_queue_exit();
}

module_init(td_init);
module_exit(td_exit);

MODULE_DESCRIPTION("a disk for tests: power cuts, errors, delays, a log");
MODULE_AUTHOR("the Tidemark authors");
MODULE_LICENSE("GPL");
