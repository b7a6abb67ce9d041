// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * /dev/tidemark-serve: the calls of a server, checked and copied. What they mean is in
 * serve.c.
 *
 * An open file becomes a server by its bind, once and for all. Calls and mappings keep the
 * file, so none is under way when it is released.
 */
#include "serve_channel.h"

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "serve.h"

struct channel {
	struct mutex bind_mutex;
	struct tm_server *server; /* written once under bind_mutex, with release */
};

static struct tm_server *bound(struct channel *channel)
{
	return smp_load_acquire(&channel->server);
}

/* ------------------------------------------------------------------------- bind */

static int bind_new(struct channel *channel, const struct tidemark_serve_bind *bind)
{
	struct tm_server *server;

	if (bound(channel))
		return -EINVAL;
	server = tm_server_create(MKDEV(bind->mapped_major, bind->mapped_minor), bind->queue);
	if (IS_ERR(server))
		return PTR_ERR(server);
	smp_store_release(&channel->server, server);
	return 0;
}

static int bind_channel(struct channel *channel, struct tidemark_serve_bind *bind)
{
	const struct tm_serve *serve;
	bool known = bind->abi == TIDEMARK_SERVE_ABI_VERSION;
	int r;

	bind->abi = TIDEMARK_SERVE_ABI_VERSION;
	if (!known)
		return -EPROTONOSUPPORT;
	if (bind->reserved)
		return -EINVAL;
	mutex_lock(&channel->bind_mutex);
	r = bind_new(channel, bind);
	mutex_unlock(&channel->bind_mutex);
	if (r)
		return r;
	serve = tm_server_device(channel->server);
	bind->device_bytes = serve->nr_sectors << SECTOR_SHIFT;
	bind->nr_queues = serve->features.nr_queues;
	bind->nr_tags = serve->features.nr_tags;
	bind->slot_bytes = serve->features.slot_sectors << SECTOR_SHIFT;
	return 0;
}

static int ioctl_bind(struct channel *channel, void __user *user)
{
	struct tidemark_serve_bind bind;
	int r;

	if (copy_from_user(&bind, user, sizeof(bind)))
		return -EFAULT;
	r = bind_channel(channel, &bind);
	if ((!r || r == -EPROTONOSUPPORT) && copy_to_user(user, &bind, sizeof(bind)))
		return -EFAULT;
	return r;
}

/* ------------------------------------------------------------------------- turn */

/* Invariant 6 of docs/serve.md: copied, then looked at. */
static int take_answers(struct tm_server *server, const struct tidemark_serve_turn *turn)
{
	struct tidemark_serve_answer answers[TIDEMARK_SERVE_TURN_MAX];
	unsigned int i;
	int r = 0;

	if (copy_from_user(answers, u64_to_user_ptr(turn->answers),
			   turn->nr_answers * sizeof(answers[0])))
		return -EFAULT;
	for (i = 0; !r && i < turn->nr_answers; i++)
		r = tm_server_answer(server, &answers[i]);
	return r;
}

static int give_requests(struct tm_server *server, struct tidemark_serve_turn *turn)
{
	struct tidemark_serve_request *requests;
	int r;

	requests = kmalloc_array(TIDEMARK_SERVE_TURN_MAX, sizeof(*requests), GFP_NOIO);
	if (!requests)
		return -ENOMEM;
	r = tm_server_receive(server, requests, turn->nr_requests, turn->wait_ms);
	if (r >= 0) {
		turn->nr_requests = r;
		r = copy_to_user(u64_to_user_ptr(turn->requests), requests,
				 r * sizeof(*requests)) ? -EFAULT : 0;
	}
	kfree(requests);
	return r;
}

static int ioctl_turn(struct channel *channel, struct tidemark_serve_turn __user *user)
{
	struct tm_server *server = bound(channel);
	struct tidemark_serve_turn turn;
	int r;

	if (!server)
		return -ENOTCONN;
	if (copy_from_user(&turn, user, sizeof(turn)))
		return -EFAULT;
	if (turn.reserved || turn.nr_answers > TIDEMARK_SERVE_TURN_MAX ||
	    turn.nr_requests > TIDEMARK_SERVE_TURN_MAX)
		return -EINVAL;
	r = take_answers(server, &turn);
	if (!r)
		r = give_requests(server, &turn);
	if (!r && put_user(turn.nr_requests, &user->nr_requests))
		r = -EFAULT;
	return r;
}

/* ------------------------------------------------------------------------ files */

static long channel_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct channel *channel = file->private_data;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (cmd) {
	case TIDEMARK_SERVE_IOC_BIND:
		return ioctl_bind(channel, (void __user *)user);
	case TIDEMARK_SERVE_IOC_TURN:
		return ioctl_turn(channel, (void __user *)user);
	}
	return -ENOTTY;
}

static int channel_open(struct inode *inode, struct file *file)
{
	struct channel *channel;

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
	struct channel *channel = file->private_data;

	if (channel->server)
		tm_server_destroy(channel->server);
	kfree(channel);
	return 0;
}

static int channel_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct tm_server *server = bound(file->private_data);

	return server ? tm_server_mmap(server, vma) : -ENOTCONN;
}

static __poll_t channel_poll(struct file *file, struct poll_table_struct *wait)
{
	struct tm_server *server = bound(file->private_data);

	if (!server)
		return EPOLLERR;
	return tm_server_has_news(server, file, wait) ? EPOLLIN | EPOLLRDNORM : 0;
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
	.name = TIDEMARK_SERVE_DEVICE_NAME,
	.fops = &channel_fops,
	.mode = 0600,
};

int tm_serve_channel_init(void)
{
	return misc_register(&channel_device);
}

void tm_serve_channel_exit(void)
{
	misc_deregister(&channel_device);
}
