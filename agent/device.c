// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Attachments as mapped devices. The kernel answers a table that it does not
 * take with a bare errno; here that becomes a sentence, after a look at what
 * else could be the reason.
 */
#include "agent/device.h"
#include "agent/kernel_module.h"
#include "agent/mapper.h"
#include "agent/resume_volume.h"
#include "common/block_tree.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <uapi/tidemark.h>

#define SECTOR_BYTES TIDEMARK_SECTOR_BYTES
#define UUID_PREFIX  "TIDEMARK-"

static int check_permission(void)
{
	if (geteuid() == 0)
		return 0;
	return failure_set(-EPERM, "device-mapper: permission denied; run tidemark as root");
}

static int mapper_failure(int error, const char *what, const char *name)
{
	if (error == -EPERM || error == -EACCES)
		return failure_set(-EPERM, "%s: permission denied; CAP_SYS_ADMIN in the initial "
				   "user namespace is needed", name);
	if (!mapper_is_present())
		return failure_set(-ENOPKG, "%s: this kernel has no device-mapper; load it with "
				   "modprobe dm-mod", name);
	return failure_set(error, "%s: cannot %s: %s", name, what, strerror(-error));
}

/* -ENXIO, -EMEDIUMTYPE: gone meanwhile, or a mapped device of another kind. */
static int read_attachment(const char *name, struct attachment *ret_attachment)
{
	struct attachment attachment = {0};
	CLEANUP_FREE char *table = NULL;
	CLEANUP_FREE char *status = NULL;
	int r;

	snprintf(attachment.name, sizeof(attachment.name), "%s", name);
	r = mapper_query(MAPPER_TABLE, name, TIDEMARK_TARGET_NAME, &attachment.mapped,
			 &attachment.nr_sectors, &table);
	if (r == 0)
		r = mapper_query(MAPPER_STATUS, name, TIDEMARK_TARGET_NAME, &attachment.mapped,
				 &attachment.nr_sectors, &status);
	if (r < 0)
		return r;
	if (attachment_parse_table(&attachment, table) < 0)
		return failure_set(-ENOPKG, "%s: the module's table \"%s\" is not understood; "
				   "use the tidemark that belongs to this module", name, table);
	if (attachment_parse_status(&attachment, status) < 0)
		return failure_set(-ENOPKG, "%s: the module's status \"%s\" is not understood; "
				   "use the tidemark that belongs to this module", name, status);
	*ret_attachment = attachment;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct attachment *left = a;
	const struct attachment *right = b;

	return strcmp(left->name, right->name);
}

int device_list(struct attachment **ret_attachments, size_t *ret_nr)
{
	CLEANUP_FREE struct attachment *attachments = NULL;
	CLEANUP_FREE struct mapper_name *names = NULL;
	size_t nr_names = 0;
	size_t nr = 0;
	int r;

	*ret_attachments = NULL;
	*ret_nr = 0;
	r = check_permission();
	if (r < 0)
		return r;
	if (!mapper_is_present())
		return 0;
	r = mapper_list(&names, &nr_names);
	if (r < 0)
		return mapper_failure(r, "list devices", "device-mapper");
	attachments = calloc(nr_names + 1, sizeof(*attachments));
	if (!attachments)
		return failure_set(-ENOMEM, "device-mapper: out of memory");
	for (size_t i = 0; i < nr_names; i++) {
		r = read_attachment(names[i].text, &attachments[nr]);
		if (r == -ENXIO || r == -EMEDIUMTYPE)
			continue;
		if (r == -ENOPKG)
			return r;
		if (r < 0)
			return mapper_failure(r, "read its status", names[i].text);
		nr++;
	}
	if (nr)
		qsort(attachments, nr, sizeof(*attachments), by_name);
	*ret_attachments = attachments;
	*ret_nr = nr;
	attachments = NULL;
	return 0;
}

/* The number of a device that is gone can be another one's by now. */
static bool is_of(const struct attachment *attachment, dev_t device)
{
	return attachment->live == device && strcmp(attachment->device_state, "gone") != 0;
}

static int several(const char *path, const struct attachment *attachments, size_t nr,
		   dev_t live)
{
	char names[1024] = "";
	size_t used = 0;

	for (size_t i = 0; i < nr; i++) {
		if (!is_of(&attachments[i], live) || used >= sizeof(names))
			continue;
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 used ? ", " : "", attachments[i].name);
	}
	return failure_set(-ENOTUNIQ, "%s: several ranges of it are attached (%s); give the name "
			   "of the one that is meant", path, names);
}

int device_number(const char *path, dev_t *ret_device)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return failure_set(-ENOENT, "%s: no such block device", path);
	*ret_device = st.st_rdev;
	return 0;
}

int device_find(const char *name_or_path, struct attachment *ret_attachment)
{
	CLEANUP_FREE struct attachment *attachments = NULL;
	const struct attachment *found = NULL;
	struct stat st;
	size_t nr;
	int r = device_list(&attachments, &nr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < nr && !found; i++)
		if (strcmp(attachments[i].name, name_or_path) == 0)
			found = &attachments[i];
	if (!found && stat(name_or_path, &st) < 0)
		return failure_set(-ENOENT, "%s: no such device or attachment; \"tidemark status\" "
				   "lists the attachments", name_or_path);
	if (!found && !S_ISBLK(st.st_mode))
		return failure_set(-ENOENT, "%s: not a block device; \"tidemark status\" lists the "
				   "attachments", name_or_path);
	for (size_t i = 0; i < nr && !found; i++)
		if (attachments[i].mapped == st.st_rdev)
			found = &attachments[i];
	for (size_t i = 0; i < nr && !found; i++) {
		if (!is_of(&attachments[i], st.st_rdev))
			continue;
		for (size_t j = i + 1; j < nr; j++)
			if (is_of(&attachments[j], st.st_rdev))
				return several(name_or_path, attachments, nr, st.st_rdev);
		found = &attachments[i];
	}
	if (!found)
		return failure_set(-ENOENT, "%s: not attached; run \"tidemark attach %s\" first",
				   name_or_path, name_or_path);
	*ret_attachment = *found;
	return 0;
}

/* What the request means, looked up. */
struct plan {
	const char *path;
	char name[ATTACHMENT_NAME_BYTES];
	dev_t live;
	uint64_t start_sector;
	uint64_t nr_sectors;
	uint64_t chunk_bytes;
};

static int open_block_device(const char *path, dev_t *ret_device)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int result;

	if (fd < 0) {
		int error = errno == ENXIO || errno == ENODEV ? ENOENT : errno;

		return failure_set(-error, "%s: %s", path,
				   error == ENOENT ? "no such block device" : strerror(error));
	}
	if (fstat(fd, &st) < 0)
		return failure_set(-errno, "%s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return failure_set(-ENOTBLK,
				   "%s: not a block device; give a disk, a partition or a "
				   "logical volume",
				   path);
	*ret_device = st.st_rdev;
	result = fd;
	fd = -1;
	return result;
}

static int plan_range(struct plan *plan, const struct device_attach *request, int fd)
{
	uint64_t bytes = 0;
	int block_bytes = 0;
	uint64_t sectors;

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0 || ioctl(fd, BLKSSZGET, &block_bytes) < 0)
		return failure_set(-errno, "%s: cannot get its size: %s", plan->path,
				   strerror(errno));
	sectors = bytes / SECTOR_BYTES;
	plan->start_sector = request->start_sector;
	plan->nr_sectors = request->nr_sectors;
	if (plan->start_sector >= sectors ||
	    request->nr_sectors > sectors - plan->start_sector)
		return failure_set(-ERANGE,
				   "%s: the range ends beyond the device, which has %" PRIu64
				   " sectors",
				   plan->path, sectors);
	if (!plan->nr_sectors)
		plan->nr_sectors = sectors - plan->start_sector;
	if (plan->start_sector * SECTOR_BYTES % (uint64_t)block_bytes ||
	    plan->nr_sectors * SECTOR_BYTES % (uint64_t)block_bytes)
		return failure_set(-EINVAL, "%s: start and size of the range must be multiples of "
				   "the device's block of %d bytes", plan->path, block_bytes);
	return 0;
}

static int plan_name(struct plan *plan, const struct device_attach *request)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789#+-.:=@_";
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	char kernel_name[BLOCK_NAME_BYTES];
	int r;

	if (request->name) {
		if (!*request->name || strlen(request->name) >= sizeof(plan->name) ||
		    request->name[strspn(request->name, allowed)] || request->name[0] == '-')
			return failure_set(-EINVAL,
					   "%s: not a name for an attachment; use up to %zu "
					   "letters, digits and #+-.:=@_",
					   request->name, sizeof(plan->name) - 1);
		strcpy(plan->name, request->name);
		return 0;
	}
	r = block_tree_open("/sys", "/proc/self/mountinfo", &tree);
	if (r == 0)
		r = block_tree_name(&tree, plan->live, kernel_name);
	if (r < 0)
		return failure_set(r, "%s: not found in /sys: %s", plan->path, strerror(-r));
	for (char *c = kernel_name; *c; c++)
		if (!strchr(allowed, *c))
			*c = '_';
	if (plan->start_sector)
		snprintf(plan->name, sizeof(plan->name), "tidemark-%s-%" PRIu64, kernel_name,
			 plan->start_sector);
	else
		snprintf(plan->name, sizeof(plan->name), "tidemark-%s", kernel_name);
	return 0;
}

static int make_plan(const struct device_attach *request, struct plan *plan)
{
	CLEANUP_CLOSE int fd = -1;
	int r;

	*plan = (struct plan){.path = request->path, .chunk_bytes = request->chunk_bytes};
	if (plan->chunk_bytes < TIDEMARK_CHUNK_BYTES_MIN ||
	    plan->chunk_bytes > TIDEMARK_CHUNK_BYTES_MAX ||
	    (plan->chunk_bytes & (plan->chunk_bytes - 1)))
		return failure_set(-EINVAL,
				   "chunk size %" PRIu64 ": must be a power of two from 4K "
				   "to 1M",
				   plan->chunk_bytes);
	fd = open_block_device(request->path, &plan->live);
	if (fd < 0)
		return fd;
	r = plan_range(plan, request, fd);
	return r < 0 ? r : plan_name(plan, request);
}

static bool same_range(const struct attachment *attachment, const struct plan *plan)
{
	return is_of(attachment, plan->live) && attachment->start_sector == plan->start_sector &&
	       attachment->nr_sectors == plan->nr_sectors;
}

static int check_not_attached(const struct plan *plan)
{
	CLEANUP_FREE struct attachment *attachments = NULL;
	size_t nr;
	int r = device_list(&attachments, &nr);

	for (size_t i = 0; r == 0 && i < nr; i++) {
		if (attachments[i].mapped == plan->live)
			return failure_set(-EALREADY, "%s: is itself the attachment %s; attach the "
					   "device below it", plan->path, attachments[i].name);
		if (same_range(&attachments[i], plan))
			return failure_set(-EALREADY, "%s: already attached as %s", plan->path,
					   attachments[i].name);
	}
	return r;
}

static int load_failure(int error, const struct plan *plan)
{
	int r;

	if ((error == -EPERM || error == -EBUSY) && kernel_module_tracing_is_off())
		return failure_set(-ENOPKG,
				   "%s: kernel.ftrace_enabled is 0, tracking needs it; run "
				   "\"sysctl kernel.ftrace_enabled=1\"",
				   plan->path);
	if (error == -EBUSY || error == -EALREADY) {
		r = check_not_attached(plan);
		if (r < 0)
			return r;
		return failure_set(-ENOPKG, "%s: someone else has the kernel's hook on "
				   "submit_bio_noacct; unload the livepatch or the other backup "
				   "product that uses it", plan->path);
	}
	if (error == -EOPNOTSUPP)
		return failure_set(-ENOPKG,
				   "%s: writes to this kind of device cannot be seen by the "
				   "module; attach the devices below or above it",
				   plan->path);
	if (error == -ERANGE)
		return failure_set(-ERANGE, "%s: the range ends beyond the device", plan->path);
	if (error == -EINVAL && !mapper_has_target(TIDEMARK_TARGET_NAME))
		return failure_set(-ENOPKG,
				   "%s: the kernel does not know the target \"%s\"; is the "
				   "right dm-tidemark loaded?",
				   plan->path, TIDEMARK_TARGET_NAME);
	if (error == -EINVAL)
		return failure_set(-ENOPKG, "%s: the module refused the table; \"dmesg\" has its "
				   "reason", plan->path);
	return mapper_failure(error, "attach", plan->path);
}

static int make_mapped_device(const struct plan *plan)
{
	char params[PATH_MAX];
	char uuid[64];
	uint64_t random;
	int r;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return failure_set(-EIO, "%s: no random numbers from the kernel", plan->path);
	snprintf(uuid, sizeof(uuid), UUID_PREFIX "%016" PRIx64, random);
	snprintf(params, sizeof(params), "track %u:%u %" PRIu64 " 2 chunk_sectors %" PRIu64,
		 major(plan->live), minor(plan->live), plan->start_sector,
		 plan->chunk_bytes / SECTOR_BYTES);
	r = mapper_create(plan->name, uuid);
	if (r == -EBUSY)
		return failure_set(-EEXIST,
				   "%s: a mapped device of this name exists; choose another "
				   "with --name",
				   plan->name);
	if (r < 0)
		return mapper_failure(r, "attach", plan->path);
	r = mapper_load(plan->name, plan->nr_sectors, TIDEMARK_TARGET_NAME, params);
	if (r == 0)
		r = mapper_resume(plan->name);
	if (r < 0) {
		mapper_remove(plan->name);
		return load_failure(r, plan);
	}
	return 0;
}

/* Writes that no proof tells of may come from here on: nobody has said there are none. */
static int forget_saved(const struct device_attach *request, const struct plan *plan)
{
	struct volume_extent extent = {plan->live, plan->start_sector, plan->nr_sectors};

	return request->resumes ? 0 : resume_volume_forget(&extent);
}

int device_attach(const struct device_attach *request, struct attachment *ret_attachment)
{
	struct plan plan;
	int r = check_permission();

	if (r == 0)
		r = make_plan(request, &plan);
	if (r == 0)
		r = kernel_module_load();
	if (r == 0)
		r = check_not_attached(&plan);
	if (r == 0)
		r = forget_saved(request, &plan);
	if (r == 0)
		r = make_mapped_device(&plan);
	if (r < 0)
		return r;
	r = read_attachment(plan.name, ret_attachment);
	return r == -ENXIO || r == -EMEDIUMTYPE ?
		       failure_set(-ENOENT, "%s: was detached at once by someone else", plan.name) :
		       r;
}

int device_allow_stream(const struct attachment *attachment)
{
	CLEANUP_FREE char *table = NULL;
	CLEANUP_FREE char *params = NULL;
	uint64_t nr_sectors;
	dev_t mapped;
	int r;

	if (strcmp(attachment->mode, "stream") == 0)
		return 0;
	r = mapper_query(MAPPER_TABLE, attachment->name, TIDEMARK_TARGET_NAME, &mapped, &nr_sectors,
			 &table);
	if (r == 0 && asprintf(&params, "stream%s", table + strcspn(table, " ")) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = mapper_load(attachment->name, nr_sectors, TIDEMARK_TARGET_NAME, params);
	if (r == 0)
		r = mapper_resume(attachment->name);
	return r < 0 ? mapper_failure(r, "switch its mode", attachment->name) : 0;
}

int device_detach(const struct attachment *attachment)
{
	int r;

	/* Of a device that is gone none comes to anything. */
	if (attachment->agent && strcmp(attachment->device_state, "gone") != 0)
		return failure_set(-EBUSY, "%s: a backup of it is running; detach it afterwards",
				   attachment->name);
	r = mapper_remove(attachment->name);
	if (r == -EBUSY)
		return failure_set(-EBUSY, "%s: its node is open or in use; close it first",
				   attachment->name);
	if (r == -ENXIO)
		return failure_set(-ENOENT, "%s: was detached meanwhile", attachment->name);
	return r < 0 ? mapper_failure(r, "detach", attachment->name) : 0;
}

/* ------------------------------------------------------------------------ mark */

static int check_mark(const char *text)
{
	size_t bytes = strlen(text);

	if (!bytes || bytes > TIDEMARK_MARK_BYTES_MAX)
		return failure_set(-EINVAL, "a mark has 1 to %u bytes, not %zu",
				   TIDEMARK_MARK_BYTES_MAX, bytes);
	if (strpbrk(text, "\n\r"))
		return failure_set(-EINVAL, "a mark is one line");
	return 0;
}

/* All is quoted that is no letter or digit: to the kernel some parts of UTF-8 are spaces. */
static void quote(const char *text, char *to)
{
	for (; *text; text++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *text))
			*to++ = '\\';
		*to++ = *text;
	}
	*to = '\0';
}

int device_mark(const struct attachment *attachment, const char *text)
{
	char message[sizeof("mark ") + 2 * TIDEMARK_MARK_BYTES_MAX] = "mark ";
	int r = check_mark(text);

	if (r < 0)
		return r;
	quote(text, message + strlen(message));
	r = mapper_message(attachment->name, message);
	if (r == -ENOTCONN)
		return failure_set(-ENOENT, "%s: cannot mark: the stream of its writes is not on, so "
				   "there is no journal to mark", attachment->name);
	if (r == -EINVAL)
		return failure_set(-ENOPKG, "%s: this module knows no marks; use the one that belongs "
				   "to this tidemark", attachment->name);
	if (r == -ENXIO)
		return failure_set(-ENOENT, "%s: was detached meanwhile", attachment->name);
	return r < 0 ? mapper_failure(r, "mark", attachment->name) : 0;
}
