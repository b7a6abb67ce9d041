// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark mount and umount: look into a restore point before it is restored, or instead.
 */
#include "cli/command.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/mount_table.h"
#include "restore/live_device.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SCRATCH_DEFAULT "/var/tmp"

static const char mount_help[] =
	"Usage: tidemark mount POINT DIR [-r REPO] [--writable] [--scratch DIR]\n"
	"Mount the file system of a restore point, in seconds, whatever its size: content is\n"
	"read from the repository as it is needed, and each chunk is verified. A journal that\n"
	"has to be replayed is replayed beside the repository, in which nothing changes.\n\n"
	"POINT: \"latest\", or the first digits of an id that \"tidemark points\" shows.\n\n"
	"      --scratch DIR  where that goes, and what is written with --writable, until\n"
	"                     \"tidemark umount\" (default " SCRATCH_DEFAULT ")\n"
	"  -r, --repo REPO    repository (default: environment TIDEMARK_REPOSITORY)\n"
	"      --writable     to be written to; what is written is lost with the umount\n"
	"  -h, --help         this text\n\n"
	"Example: tidemark mount latest /mnt && cp /mnt/etc/fstab . && tidemark umount /mnt";

static const char umount_help[] =
	"Usage: tidemark umount DIR\n"
	"Unmount a restore point that \"tidemark mount\" has mounted on DIR.\n\n"
	"  -h, --help  this text\n\n"
	"Example: tidemark umount /mnt";

struct mount_request {
	struct live_device_request device;
	const char *directory;
	bool writable;
};

/* ------------------------------------------------------------------------- mount */

static int check_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return failure_set(-errno, "%s: %s", path, strerror(errno));
	return S_ISDIR(st.st_mode) ? 0 : failure_set(-ENOTDIR, "%s: is no directory", path);
}

static int find_type(const char *node, char **ret_type)
{
	*ret_type = blkid_get_tag_value(NULL, "TYPE", node);
	if (*ret_type)
		return 0;
	return failure_set(-ENODATA, "there is no file system on the whole of it that could be "
			   "mounted; \"nbdkit tidemark\" and \"tidemark restore\" give all of it");
}

/* The volume it is of may be mounted as well, and xfs minds the same uuid twice. */
static int mount_device(const struct live_device *device, const struct mount_request *request)
{
	char node[LIVE_DEVICE_NAME_BYTES + sizeof("/dev/mapper/")];
	CLEANUP_FREE char *type = NULL;
	unsigned long flags = MS_NODEV | MS_NOSUID | (request->writable ? 0 : MS_RDONLY);
	int r;

	snprintf(node, sizeof(node), "/dev/mapper/%s", device->name);
	r = find_type(node, &type);
	if (r < 0)
		return r;
	if (mount(node, request->directory, type, flags, strcmp(type, "xfs") == 0 ? "nouuid" : "") == 0)
		return 0;
	return failure_set(-errno, "%s: cannot be mounted as %s: %s; the kernel's log may say more",
			   request->directory, type, strerror(errno));
}

static enum exit_status run_mount(const struct mount_request *request)
{
	struct live_device device;
	char digits[TMC_ID_TEXT];
	int r = check_directory(request->directory);

	if (r == 0)
		r = live_device_start(&request->device, &device);
	if (r < 0)
		return command_failure(r);
	r = mount_device(&device, request);
	if (r < 0) {
		enum exit_status status = command_failure(r);

		live_device_end(device.name);
		return status;
	}
	tmc_id_format(&device.point.id, digits);
	printf("restore point %.12s of %s mounted on %s, %s\n", digits, device.point.volume.name,
	       request->directory, request->writable ? "writable" : "read-only");
	return EXIT_STATUS_OK;
}

enum exit_status command_mount(int argc, char **argv)
{
	static const struct option options[] = {
		{"repo", required_argument, NULL, 'r'},
		{"scratch", required_argument, NULL, 's'},
		{"writable", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct mount_request request = {.device.scratch = SCRATCH_DEFAULT};
	int option;

	while ((option = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			request.device.repository = optarg;
			break;
		case 's':
			request.device.scratch = optarg;
			break;
		case 'w':
			request.writable = true;
			break;
		case 'h':
			puts(mount_help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("mount", option, argv);
		}
	}
	if (argc - optind != 2)
		return command_usage("mount", "mount: give a restore point and a directory");
	request.device.point = argv[optind];
	request.directory = argv[optind + 1];
	request.device.repository = command_repository("mount", request.device.repository);
	return request.device.repository ? run_mount(&request) : EXIT_STATUS_USAGE;
}

/* ------------------------------------------------------------------------ umount */

static void clear_table(struct mount_table *table)
{
	mount_table_clear(table);
}

/* The device that is mounted just there, and not on a directory above. */
static int find_mounted(const char *directory, char ret_name[LIVE_DEVICE_NAME_BYTES])
{
	CLEANUP(clear_table) struct mount_table table = {0};
	CLEANUP_FREE char *path = realpath(directory, NULL);
	const struct mount *mount;
	int r;

	if (!path)
		return failure_set(-errno, "%s: %s", directory, strerror(errno));
	r = mount_table_read("/proc/self/mountinfo", &table);
	if (r < 0)
		return failure_set(r, "/proc/self/mountinfo: %s", strerror(-r));
	mount = mount_table_find(&table, path);
	if (!mount || strcmp(mount->mount_point, path) != 0 ||
	    live_device_find(mount->device, ret_name) < 0)
		return failure_set(-ENOENT, "%s: no restore point is mounted there", directory);
	return 0;
}

static enum exit_status run_umount(const char *directory)
{
	char name[LIVE_DEVICE_NAME_BYTES];
	int r = find_mounted(directory, name);

	if (r == 0 && umount2(directory, 0) < 0)
		r = failure_set(errno == EBUSY ? -ETXTBSY : -errno, "%s: cannot be unmounted: %s%s",
				directory, strerror(errno),
				errno == EBUSY ? "; end what has files of it open" : "");
	if (r == 0)
		r = live_device_end(name);
	return r < 0 ? command_failure(r) : EXIT_STATUS_OK;
}

enum exit_status command_umount(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option != 'h')
			return command_bad_option("umount", option, argv);
		puts(umount_help);
		return EXIT_STATUS_OK;
	}
	if (argc - optind != 1)
		return command_usage("umount", "umount: give one directory");
	return run_umount(argv[optind]);
}
