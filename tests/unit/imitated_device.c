// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The imitated module's side of agent/device.h, and the identity of its devices.
 */
#include "imitated_inside.h"
#include "agent/device.h"
#include "agent/volume_identity.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* ----------------------------------------------------------------------- devices */

void module_plug(struct module *module, const char *path, const char *identity)
{
	static atomic_uint nr = 1; /* devices so far */

	LOCK_SCOPE(&module->lock);
	if (module->attached && module->device == CHANNEL_DEVICE_GONE)
		imitated_die("what was unplugged is still attached");
	module->attached = false;
	snprintf(module->path, sizeof(module->path), "%s", path);
	snprintf(module->identity, sizeof(module->identity), "%s", identity);
	module->live = makedev(259, atomic_fetch_add(&nr, 1));
	module->device = CHANNEL_DEVICE_OK;
}

void module_unplug(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	module->path[0] = '\0';
	module->device = CHANNEL_DEVICE_GONE;
}

void module_change_size(struct module *module, uint64_t bytes)
{
	LOCK_SCOPE(&module->lock);
	module->device_bytes = bytes;
	module->device = bytes > module->options.volume_bytes ? CHANNEL_DEVICE_GROWN :
								CHANNEL_DEVICE_SHORT;
}

bool module_is_attached(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->attached;
}

/* NULL: no device is there. */
static struct module *find_path(const char *path)
{
	struct module *modules[IMITATED_NR_MODULES];
	size_t nr = imitated_list(modules);

	for (size_t i = 0; i < nr; i++) {
		LOCK_SCOPE(&modules[i]->lock);
		if (*path && strcmp(modules[i]->path, path) == 0)
			return modules[i];
	}
	return NULL;
}

static struct module *find_live(dev_t live)
{
	struct module *modules[IMITATED_NR_MODULES];
	size_t nr = imitated_list(modules);

	for (size_t i = 0; i < nr; i++) {
		LOCK_SCOPE(&modules[i]->lock);
		if (modules[i]->live == live && modules[i]->device != CHANNEL_DEVICE_GONE)
			return modules[i];
	}
	return NULL;
}

int device_number(const char *path, dev_t *ret_device)
{
	struct module *module = find_path(path);

	if (!module)
		return failure_set(-ENOENT, "%s: no such block device", path);
	*ret_device = module->live;
	return 0;
}

int volume_identity_read(const struct volume_extent *extent, char ret_id[TMC_TEXT_BYTES])
{
	struct module *module = find_live(extent->device);

	if (!module)
		return failure_set(-ENXIO, "no such device");
	snprintf(ret_id, TMC_TEXT_BYTES, "%s", module->identity);
	return 0;
}

/* ------------------------------------------------------------------- attachments */

static void describe(struct module *module, struct attachment *ret_attachment)
{
	static const char *const states[] = {
		[CHANNEL_DEVICE_OK] = "ok",
		[CHANNEL_DEVICE_GROWN] = "grown",
		[CHANNEL_DEVICE_SHORT] = "short",
		[CHANNEL_DEVICE_GONE] = "gone",
	};
	uint64_t dirty_chunks = module_dirty_chunks(module);

	LOCK_SCOPE(&module->lock);
	*ret_attachment = (struct attachment){
		.mode = "stream", .cut = "none", .agent = module->channel,
		.live = module->live,
		.nr_sectors = module->options.volume_bytes / IMITATED_SECTOR,
		.chunk_sectors = module->options.chunk_bytes / IMITATED_SECTOR,
		.nr_chunks = module->nr_chunks, .dirty_chunks = dirty_chunks,
		.counts_stalls = true,
	};
	snprintf(ret_attachment->device_state, sizeof(ret_attachment->device_state), "%s",
		 states[module->device]);
	snprintf(ret_attachment->name, sizeof(ret_attachment->name), "%s", module->name);
}

int device_find(const char *name_or_path, struct attachment *ret_attachment)
{
	struct module *module = imitated_find(name_or_path);

	if (!module)
		module = find_path(name_or_path);
	if (!module || !module_is_attached(module))
		return failure_set(-ENOENT, "%s: no such device", name_or_path);
	describe(module, ret_attachment);
	return 0;
}

int device_list(struct attachment **ret_attachments, size_t *ret_nr)
{
	struct module *modules[IMITATED_NR_MODULES];
	size_t nr = imitated_list(modules);

	*ret_nr = 0;
	*ret_attachments = calloc(nr + 1, sizeof(**ret_attachments));
	for (size_t i = 0; i < nr; i++)
		if (module_is_attached(modules[i]))
			describe(modules[i], &(*ret_attachments)[(*ret_nr)++]);
	return 0;
}

int device_attach(const struct device_attach *request, struct attachment *ret_attachment)
{
	struct module *module = find_path(request->path);

	if (!module)
		return failure_set(-ENOENT, "%s: no such device", request->path);
	if (module_is_attached(module) || strcmp(module->name, request->name) != 0)
		imitated_die("attached as what it is not");
	imitated_attach(module);
	describe(module, ret_attachment);
	return 0;
}

int device_detach(const struct attachment *attachment)
{
	struct module *module = imitated_find(attachment->name);

	if (!module)
		return failure_set(-ENOENT, "%s: is not attached", attachment->name);
	LOCK_SCOPE(&module->lock);
	if (module->channel && module->device != CHANNEL_DEVICE_GONE)
		return failure_set(-EBUSY, "%s: a backup of it is running", module->name);
	if (module->channel)
		module->channel->gone = true;
	module->attached = false;
	return 0;
}

int device_allow_stream(const struct attachment *attachment)
{
	return 0;
}
