// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 the Tidemark authors
#include "dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DATA_BYTES 16384

struct call {
	struct dm_ioctl head;
	char data[DATA_BYTES];
};

int dm_control(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	return fd;
}

static void prepare(struct call *call, const char *name)
{
	memset(&call->head, 0, sizeof(call->head));
	call->head.version[0] = DM_VERSION_MAJOR;
	call->head.data_size = sizeof(*call);
	call->head.data_start = sizeof(call->head);
	snprintf(call->head.name, sizeof(call->head.name), "%s", name);
}

static int run(struct call *call, unsigned long command)
{
	return ioctl(dm_control(), command, call) ? -errno : 0;
}

static int run_plain(const char *name, unsigned long command, uint32_t flags)
{
	static _Thread_local struct call call;

	prepare(&call, name);
	call.head.flags = flags;
	return run(&call, command);
}

int dm_create(const char *name)
{
	return run_plain(name, DM_DEV_CREATE, 0);
}

int dm_clear(const char *name)
{
	return run_plain(name, DM_TABLE_CLEAR, 0);
}

int dm_resume(const char *name)
{
	return run_plain(name, DM_DEV_SUSPEND, 0);
}

int dm_suspend(const char *name)
{
	return run_plain(name, DM_DEV_SUSPEND, DM_SUSPEND_FLAG);
}

int dm_remove(const char *name)
{
	return run_plain(name, DM_DEV_REMOVE, 0);
}

int dm_load(const char *name, uint64_t nr_sectors, const char *type, const char *params)
{
	static _Thread_local struct call call;
	struct dm_target_spec *spec = (void *)call.data;
	char *text = (char *)(spec + 1);

	prepare(&call, name);
	memset(spec, 0, sizeof(*spec));
	call.head.target_count = 1;
	spec->length = nr_sectors;
	snprintf(spec->target_type, sizeof(spec->target_type), "%s", type);
	snprintf(text, DATA_BYTES - sizeof(*spec), "%s", params);
	spec->next = (uint32_t)(sizeof(*spec) + ((strlen(text) + 8) & ~7UL));
	return run(&call, DM_TABLE_LOAD);
}

int dm_message(const char *name, const char *message)
{
	static _Thread_local struct call call;
	struct dm_target_msg *target = (void *)call.data;

	prepare(&call, name);
	target->sector = 0;
	snprintf(target->message, DATA_BYTES - sizeof(*target), "%s", message);
	return run(&call, DM_TARGET_MSG);
}

static int text_of(const char *name, uint32_t flags, char *ret_text, size_t text_bytes)
{
	static _Thread_local struct call call;
	const struct dm_target_spec *spec = (const void *)call.data;
	int r;

	prepare(&call, name);
	call.head.flags = flags;
	r = run(&call, DM_TABLE_STATUS);
	if (!r && !call.head.target_count)
		r = -ENODATA;
	if (!r)
		snprintf(ret_text, text_bytes, "%s", (const char *)(spec + 1));
	return r;
}

int dm_status(const char *name, char *ret_text, size_t text_bytes)
{
	return text_of(name, 0, ret_text, text_bytes);
}

int dm_table(const char *name, char *ret_text, size_t text_bytes)
{
	return text_of(name, DM_STATUS_TABLE_FLAG, ret_text, text_bytes);
}

int dm_make(const char *name, uint64_t nr_sectors, const char *type, const char *params)
{
	int r = dm_create(name);

	if (r)
		return r;
	r = dm_load(name, nr_sectors, type, params);
	if (!r)
		r = dm_resume(name);
	if (r)
		dm_remove(name);
	return r;
}

int dm_number(const char *name, uint32_t *ret_major, uint32_t *ret_minor)
{
	static _Thread_local struct call call;
	int r;

	prepare(&call, name);
	r = run(&call, DM_DEV_STATUS);
	*ret_major = major(call.head.dev);
	*ret_minor = minor(call.head.dev);
	return r;
}
