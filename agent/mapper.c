// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Through libdevmapper, which makes the nodes itself where no udev runs and
 * waits for udev where one does. The udev rules for disks and everything above
 * stay off: they would find the live device's file system a second time.
 */
#include "agent/mapper.h"
#include "common/cleanup.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <libdevmapper.h>
#include <string.h>
#include <sys/sysmacros.h>

#define UDEV_FLAGS                                                                            \
	(DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG |             \
	 DM_UDEV_DISABLE_OTHER_RULES_FLAG)

/* The library has state that all its tasks share, and no lock of its own. */
static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

static void cleanup_task(struct dm_task **task)
{
	if (*task)
		dm_task_destroy(*task);
}

#define CLEANUP_TASK CLEANUP(cleanup_task)

/* The library would print one line of its own for each error. */
static __attribute__((format(printf, 5, 6))) void
keep_quiet(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
}

static struct dm_task *new_task(int type, const char *name)
{
	struct dm_task *task;

	dm_log_with_errno_init(keep_quiet);
	errno = 0;
	task = dm_task_create(type);
	if (task && name && !dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

/* Making a task asks the kernel for its version, which needs permission already. */
static int no_task(void)
{
	return errno == EPERM || errno == EACCES ? -errno : -ENOMEM;
}

static int run(struct dm_task *task)
{
	errno = 0;
	if (dm_task_run(task))
		return 0;
	if (dm_task_get_errno(task))
		return -dm_task_get_errno(task);
	/* The control node could not even be opened. */
	return errno ? -errno : -EIO;
}

static int run_with_udev(struct dm_task *task)
{
	uint32_t cookie = 0;
	int r;

	if (!dm_task_set_cookie(task, &cookie, UDEV_FLAGS))
		return -EIO;
	r = run(task);
	dm_udev_wait(cookie);
	return r;
}

bool mapper_is_present(void)
{
	return access("/sys/class/misc/device-mapper", F_OK) == 0;
}

bool mapper_has_target(const char *type)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task = new_task(DM_DEVICE_LIST_VERSIONS, NULL);
	struct dm_versions *version;
	unsigned int next;

	if (!task || run(task) < 0)
		return false;
	version = dm_task_get_versions(task);
	do {
		if (strcmp(version->name, type) == 0)
			return true;
		next = version->next;
		version = (void *)((char *)version + next);
	} while (next);
	return false;
}

int mapper_list(struct mapper_name **ret_names, size_t *ret_nr)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task = new_task(DM_DEVICE_LIST, NULL);
	CLEANUP_FREE struct mapper_name *names = NULL;
	struct dm_names *entry;
	unsigned int next;
	size_t nr = 0;
	int r;

	if (!task)
		return no_task();
	r = run(task);
	if (r < 0)
		return r;
	entry = dm_task_get_names(task);
	if (!entry)
		return -EIO;
	do {
		struct mapper_name *grown;

		if (!entry->dev)
			break; /* the empty list is one empty entry */
		grown = reallocarray(names, nr + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		names = grown;
		snprintf(names[nr++].text, sizeof(names->text), "%s", entry->name);
		next = entry->next;
		entry = (void *)((char *)entry + next);
	} while (next);
	*ret_names = names;
	*ret_nr = nr;
	names = NULL;
	return 0;
}

int mapper_query(enum mapper_query query, const char *name, const char *type,
		 dev_t *ret_device, uint64_t *ret_sectors, char **ret_params)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task =
		new_task(query == MAPPER_TABLE ? DM_DEVICE_TABLE : DM_DEVICE_STATUS, name);
	char *target_type = NULL;
	char *params = NULL;
	struct dm_info info;
	uint64_t start;
	int r;

	if (!task)
		return no_task();
	/* Status asks, it does not make anything wait for I/O. */
	dm_task_no_flush(task);
	dm_task_no_open_count(task);
	r = run(task);
	if (r < 0)
		return r;
	if (!dm_task_get_info(task, &info) || !info.exists)
		return -ENXIO;
	if (dm_get_next_target(task, NULL, &start, ret_sectors, &target_type, &params))
		return -EMEDIUMTYPE;
	if (!target_type || !params || strcmp(target_type, type) != 0)
		return -EMEDIUMTYPE;
	*ret_device = makedev(info.major, info.minor);
	*ret_params = strdup(params);
	return *ret_params ? 0 : -ENOMEM;
}

int mapper_create(const char *name, const char *uuid)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task = new_task(DM_DEVICE_CREATE, name);

	if (!task)
		return no_task();
	if (!dm_task_set_uuid(task, uuid))
		return -ENOMEM;
	return run(task);
}

int mapper_load(const char *name, uint64_t sectors, const char *type, const char *params)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task = new_task(DM_DEVICE_RELOAD, name);

	if (!task)
		return no_task();
	if (!dm_task_add_target(task, 0, sectors, type, params))
		return -ENOMEM;
	return run(task);
}

int mapper_resume(const char *name)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task = new_task(DM_DEVICE_RESUME, name);

	return task ? run_with_udev(task) : no_task();
}

int mapper_remove(const char *name)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task = new_task(DM_DEVICE_REMOVE, name);

	if (!task)
		return no_task();
	/* udev and blkid open a new node for a moment. */
	dm_task_retry_remove(task);
	return run_with_udev(task);
}

int mapper_message(const char *name, const char *message)
{
	LOCK_SCOPE(&library);
	CLEANUP_TASK struct dm_task *task = new_task(DM_DEVICE_TARGET_MSG, name);

	if (!task)
		return no_task();
	if (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, message))
		return -ENOMEM;
	return run(task);
}
