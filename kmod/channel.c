// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * /dev/tidemark: the contract's calls, checked and copied. What they mean is in
 * cut.c, attachment.c and ring.c.
 *
 * An open file is a channel. It is bound to an attachment once and for all; from
 * then on it holds a reference, so that the attachment's memory outlives a remove,
 * and owns the ring. Closing it ends whatever cut it left.
 */
#include "channel.h"

#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/tidemark.h>

#include "attachment.h"
#include "cut.h"
#include "ring.h"

/* Bitmap words copied at a time: a page. */
#define WORDS_PER_COPY (PAGE_SIZE / sizeof(u64))

struct tm_channel {
	struct mutex bind_mutex;
	/* Written once under bind_mutex, with release; then constant. */
	struct tm_attachment *attachment;
	struct tm_ring *ring;
};

struct tm_ring *tm_channel_ring(struct tm_channel *channel)
{
	return channel->ring;
}

/* The attachment of a bound channel. */
static struct tm_attachment *bound(struct tm_channel *channel)
{
	return smp_load_acquire(&channel->attachment);
}

/* ------------------------------------------------------------------------- bind */

static int check_bind(const struct tidemark_bind *bind)
{
	if (bind->abi != TIDEMARK_ABI_VERSION)
		return -EPROTONOSUPPORT;
	if (bind->flags || bind->reserved || !is_power_of_2(bind->ring_bytes) ||
	    bind->ring_bytes < TIDEMARK_RING_BYTES_MIN ||
	    bind->ring_bytes > TIDEMARK_RING_BYTES_MAX)
		return -EINVAL;
	return 0;
}

static int take_attachment(struct tm_attachment *a, struct tm_channel *channel)
{
	int r = 0;

	mutex_lock(&a->mutex);
	if (a->dead)
		r = -ENODEV;
	else if (a->channel)
		r = -EBUSY;
	else
		WRITE_ONCE(a->channel, channel);
	mutex_unlock(&a->mutex);
	return r;
}

static int bind_to(struct tm_channel *channel, struct tm_attachment *a, u32 ring_bytes)
{
	struct tm_ring *ring;
	int r;

	if (ring_bytes < 4 * tm_attachment_chunk_bytes(a, 0))
		return -EINVAL;
	ring = tm_ring_create(ring_bytes);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	channel->ring = ring;
	r = take_attachment(a, channel);
	if (r) {
		channel->ring = NULL;
		tm_ring_destroy(ring);
		return r;
	}
	smp_store_release(&channel->attachment, a);
	return 0;
}

static int bind_new(struct tm_channel *channel, const struct tidemark_bind *bind)
{
	struct tm_attachment *a;
	int r;

	if (bound(channel))
		return -EINVAL;
	a = tm_attachment_get_by_mapped(MKDEV(bind->mapped.major, bind->mapped.minor));
	if (IS_ERR(a))
		return PTR_ERR(a);
	r = bind_to(channel, a, bind->ring_bytes);
	if (r)
		tm_attachment_put(a);
	return r;
}

static int ioctl_bind(struct tm_channel *channel, struct tidemark_bind *bind)
{
	int r;

	if (!bind->ring_bytes)
		bind->ring_bytes = TIDEMARK_RING_BYTES_DEFAULT;
	r = check_bind(bind);
	bind->abi = TIDEMARK_ABI_VERSION;
	if (r)
		return r;
	mutex_lock(&channel->bind_mutex);
	r = bind_new(channel, bind);
	mutex_unlock(&channel->bind_mutex);
	if (!r)
		tm_attachment_get_info(channel->attachment, &bind->info);
	return r;
}

/* -------------------------------------------------------------------------- cut */

static const struct file_operations channel_fops;

/* The caller puts the file, which keeps the channel and so the attachment. */
static int get_part(const struct tidemark_cut_volume *volume, struct tm_cut_part *ret_part,
		    struct file **ret_file)
{
	struct file *file;
	struct tm_attachment *a;

	if (volume->flags & ~(TIDEMARK_CUT_FULL | TIDEMARK_CUT_FUZZY | TIDEMARK_CUT_STREAM))
		return -EINVAL;
	file = fget(volume->channel_fd);
	if (!file)
		return -EBADF;
	*ret_file = file;
	if (file->f_op != &channel_fops)
		return -EBADF;
	a = bound(file->private_data);
	if (!a)
		return -ENOTCONN;
	*ret_part = (struct tm_cut_part){ .attachment = a, .flags = volume->flags };
	return 0;
}

struct cut_args {
	struct tidemark_cut_volume volumes[TIDEMARK_CUT_VOLUMES_MAX];
	struct tm_cut_part parts[TIDEMARK_CUT_VOLUMES_MAX];
	struct file *files[TIDEMARK_CUT_VOLUMES_MAX];
	struct tidemark_devno freeze[TIDEMARK_CUT_FREEZE_MAX];
};

static bool listed_twice(const struct tm_cut_part *parts, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i + 1 < nr; i++)
		if (parts[i].attachment == parts[nr - 1].attachment)
			return true;
	return false;
}

static int copy_cut_args(const struct tidemark_cut *cut, struct cut_args *args)
{
	unsigned int i;
	int r;

	if (copy_from_user(args->volumes, u64_to_user_ptr(cut->volumes),
			   cut->nr_volumes * sizeof(args->volumes[0])) ||
	    copy_from_user(args->freeze, u64_to_user_ptr(cut->freeze),
			   cut->nr_freeze * sizeof(args->freeze[0])))
		return -EFAULT;
	for (i = 0; i < cut->nr_volumes; i++) {
		r = get_part(&args->volumes[i], &args->parts[i], &args->files[i]);
		if (r)
			return r;
		if (listed_twice(args->parts, i + 1))
			return -EINVAL;
	}
	return 0;
}

static int return_cut(const struct tidemark_cut *cut, struct cut_args *args)
{
	unsigned int i;

	for (i = 0; i < cut->nr_volumes; i++) {
		args->volumes[i].epoch = args->parts[i].ret_epoch;
		args->volumes[i].frozen_chunks = args->parts[i].ret_frozen_chunks;
	}
	return copy_to_user(u64_to_user_ptr(cut->volumes), args->volumes,
			    cut->nr_volumes * sizeof(args->volumes[0])) ? -EFAULT : 0;
}

static void put_files(struct cut_args *args)
{
	unsigned int i;

	for (i = 0; i < TIDEMARK_CUT_VOLUMES_MAX && args->files[i]; i++)
		fput(args->files[i]);
}

static int ioctl_cut(struct tidemark_cut *cut)
{
	struct cut_args *args;
	int r;

	if (cut->flags || cut->reserved || !cut->nr_volumes ||
	    cut->nr_volumes > TIDEMARK_CUT_VOLUMES_MAX || cut->nr_freeze > TIDEMARK_CUT_FREEZE_MAX)
		return -EINVAL;
	args = kvzalloc(sizeof(*args), GFP_KERNEL);
	if (!args)
		return -ENOMEM;
	r = copy_cut_args(cut, args);
	if (!r)
		r = tm_cut_run(args->parts, cut->nr_volumes, args->freeze, cut->nr_freeze,
			       &cut->time_ns);
	if (!r)
		r = return_cut(cut, args);
	put_files(args);
	kvfree(args);
	return r;
}

/* ---------------------------------------------------------------------- reading */

static bool inside(const struct tm_attachment *a, u64 first, u64 nr)
{
	return nr && first < a->tracker.nr_chunks && nr <= a->tracker.nr_chunks - first;
}

static int ioctl_read_frozen(struct tm_attachment *a, const struct tidemark_read_frozen *read)
{
	u64 __user *to = u64_to_user_ptr(read->words);
	u64 word = read->first_chunk / 64;
	u64 end = word + DIV_ROUND_UP_ULL(read->nr_chunks, 64);
	u64 *words, n;
	int r = 0;

	if (!inside(a, read->first_chunk, read->nr_chunks) || read->first_chunk % 64)
		return -EINVAL;
	words = kmalloc_array(WORDS_PER_COPY, sizeof(u64), GFP_KERNEL);
	if (!words)
		return -ENOMEM;
	for (; !r && word < end; word += n, to += n) {
		n = min_t(u64, end - word, WORDS_PER_COPY);
		r = tm_cut_read_frozen(a, word, n, words);
		if (!r && word + n == end && read->nr_chunks % 64)
			words[n - 1] &= ~0ULL >> (64 - read->nr_chunks % 64);
		if (!r && copy_to_user(to, words, n * sizeof(u64)))
			r = -EFAULT;
	}
	kfree(words);
	return r;
}

/* Each word is read once, and only then looked at. */
static int ioctl_dirty(struct tm_attachment *a, const struct tidemark_dirty *dirty)
{
	const u64 __user *from = u64_to_user_ptr(dirty->words);
	u64 word = dirty->first_chunk / 64;
	u64 end = word + DIV_ROUND_UP_ULL(dirty->nr_chunks, 64);
	u64 *words, n;
	int r = 0;

	if (!inside(a, dirty->first_chunk, dirty->nr_chunks) || dirty->first_chunk % 64)
		return -EINVAL;
	words = kmalloc_array(WORDS_PER_COPY, sizeof(u64), GFP_KERNEL);
	if (!words)
		return -ENOMEM;
	for (; !r && word < end; word += n, from += n) {
		n = min_t(u64, end - word, WORDS_PER_COPY);
		if (copy_from_user(words, from, n * sizeof(u64))) {
			r = -EFAULT;
			break;
		}
		if (word + n == end && dirty->nr_chunks % 64)
			words[n - 1] &= ~0ULL >> (64 - dirty->nr_chunks % 64);
		r = tm_attachment_add_dirty(a, word, n, words);
	}
	kfree(words);
	return r;
}

static int ioctl_release(struct tm_attachment *a, const struct tidemark_release *release)
{
	u64 words[TIDEMARK_RELEASE_CHUNKS_MAX / 64];
	int r;

	if (release->reserved || !release->epoch ||
	    release->nr_chunks > TIDEMARK_RELEASE_CHUNKS_MAX ||
	    !inside(a, release->first_chunk, release->nr_chunks))
		return -EINVAL;
	r = tm_cut_release(a, release->epoch, release->first_chunk, release->nr_chunks, words);
	if (!r && copy_to_user(u64_to_user_ptr(release->words), words,
			       DIV_ROUND_UP(release->nr_chunks, 64) * sizeof(u64)))
		r = -EFAULT;
	return r;
}

static int ioctl_end(struct tm_attachment *a, const struct tidemark_end *end)
{
	if (end->reserved || !end->epoch)
		return -EINVAL;
	if (end->how == TIDEMARK_END_ABORT)
		return tm_cut_abort(a, end->epoch);
	if (end->how != TIDEMARK_END_COMMIT || !memchr_inv(end->base, 0, sizeof(end->base)))
		return -EINVAL;
	return tm_cut_commit(a, end->epoch, end->base);
}

static int ioctl_info(struct tm_channel *channel, struct tm_attachment *a,
		      struct tidemark_info *ret_info)
{
	tm_attachment_get_info(a, ret_info);
	ret_info->last_seq = tm_ring_last_seq(channel->ring);
	return READ_ONCE(a->dead) ? -ENODEV : 0;
}

/* ------------------------------------------------------------------------ files */

union arg {
	struct tidemark_bind bind;
	struct tidemark_info info;
	struct tidemark_cut cut;
	struct tidemark_read_frozen read_frozen;
	struct tidemark_release release;
	struct tidemark_end end;
	struct tidemark_dirty dirty;
};

static int call_bound(struct tm_channel *channel, unsigned int cmd, union arg *arg)
{
	struct tm_attachment *a = bound(channel);

	if (!a)
		return -ENOTCONN;
	switch (cmd) {
	case TIDEMARK_IOC_INFO:
		return ioctl_info(channel, a, &arg->info);
	case TIDEMARK_IOC_CUT:
		return ioctl_cut(&arg->cut);
	case TIDEMARK_IOC_READ_FROZEN:
		return ioctl_read_frozen(a, &arg->read_frozen);
	case TIDEMARK_IOC_RELEASE:
		return ioctl_release(a, &arg->release);
	case TIDEMARK_IOC_END:
		return ioctl_end(a, &arg->end);
	case TIDEMARK_IOC_DIRTY:
		return ioctl_dirty(a, &arg->dirty);
	}
	return -ENOTTY;
}

static long channel_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct tm_channel *channel = file->private_data;
	union arg arg = {};
	int r;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (_IOC_TYPE(cmd) != TIDEMARK_IOC_MAGIC || _IOC_SIZE(cmd) > sizeof(arg))
		return -ENOTTY;
	if ((_IOC_DIR(cmd) & _IOC_WRITE) &&
	    copy_from_user(&arg, (void __user *)user, _IOC_SIZE(cmd)))
		return -EFAULT;
	if (cmd == TIDEMARK_IOC_BIND)
		r = ioctl_bind(channel, &arg.bind);
	else
		r = call_bound(channel, cmd, &arg);
	if ((_IOC_DIR(cmd) & _IOC_READ) && (!r || r == -EPROTONOSUPPORT) &&
	    copy_to_user((void __user *)user, &arg, _IOC_SIZE(cmd)))
		return -EFAULT;
	return r;
}

static int channel_open(struct inode *inode, struct file *file)
{
	struct tm_channel *channel;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return -ENOMEM;
	mutex_init(&channel->bind_mutex);
	file->private_data = channel;
	return nonseekable_open(inode, file);
}

static int channel_release(struct inode *inode, struct file *file)
{
	struct tm_channel *channel = file->private_data;
	struct tm_attachment *a = channel->attachment;

	if (a) {
		mutex_lock(&a->mutex);
		tm_cut_abort_locked(a, 0);
		tm_stream_stop(a);
		WRITE_ONCE(a->channel, NULL);
		mutex_unlock(&a->mutex);
		tm_attachment_put(a);
		tm_ring_destroy(channel->ring);
	}
	kfree(channel);
	return 0;
}

static int channel_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct tm_channel *channel = file->private_data;

	return bound(channel) ? tm_ring_mmap(channel->ring, vma) : -ENOTCONN;
}

static __poll_t channel_poll(struct file *file, struct poll_table_struct *wait)
{
	struct tm_channel *channel = file->private_data;
	struct tm_attachment *a = bound(channel);
	__poll_t events;

	if (!a)
		return EPOLLERR;
	events = tm_ring_poll(channel->ring, file, wait);
	if (READ_ONCE(a->dead))
		events |= EPOLLHUP;
	return events;
}

static const struct file_operations channel_fops = {
	.owner = THIS_MODULE,
	.open = channel_open,
	.release = channel_release,
	.unlocked_ioctl = channel_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = channel_mmap,
	.poll = channel_poll,
};

static struct miscdevice channel_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = TIDEMARK_DEVICE_NAME,
	.fops = &channel_fops,
	.mode = 0600,
};

int tm_channel_init(void)
{
	return misc_register(&channel_device);
}

void tm_channel_exit(void)
{
	misc_deregister(&channel_device);
}
