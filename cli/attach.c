// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark attach: begin to track.
 */
#include "agent/device.h"
#include "agent/resume_device.h"
#include "agent/saved_state.h"
#include "cli/command.h"
#include "common/size_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <tidemark.h>

#define SECTOR_BYTES 512

static const char help[] =
	"Usage: tidemark attach DEVICE [--name NAME] [--chunk-size SIZE]\n"
	"                       [--start SECTOR --sectors NUMBER] [--resume[=DIR]]\n"
	"Begin to track the writes to a disk, partition, logical volume, RAID array or\n"
	"loop device. It may be mounted and in use: nothing is unmounted or remounted,\n"
	"and I/O goes the same way as before. Tracking ends with \"tidemark detach\" or at\n"
	"the next boot; the first backup after that reads the whole device once, unless\n"
	"it was detached with --save and is attached with --resume.\n"
	"Loads the kernel module dm-tidemark when it is not there.\n\n"
	"      --name NAME        name of the attachment (default: tidemark- and the\n"
	"                         kernel's name of the device)\n"
	"      --chunk-size SIZE  unit of tracking, as the repository has it (default 64K)\n"
	"      --start SECTOR     protect only a range, from this sector of 512 bytes on\n"
	"      --sectors NUMBER   size of the range (default: to the end of the device)\n"
	"      --resume[=DIR]     go on from what \"tidemark detach --save\" has saved, if the\n"
	"                         file system proves that it was not mounted since; for\n"
	"                         devices that nobody writes to by themselves (dd, a rescue\n"
	"                         disk's tools). Attach before it is mounted. DIR: where it\n"
	"                         was saved (default: " SAVED_STATE_DIRECTORY ")\n"
	"  -h, --help             this text\n\n"
	"Example: tidemark attach /dev/vdb";

static void resume(const struct attachment *attachment, const char *directory)
{
	struct resume_report report;
	char dirty[SIZE_TEXT_BYTES];

	resume_device_take_up(attachment, directory, &report);
	if (report.done)
		printf("nothing was written meanwhile: %s are dirty\n",
		       size_text_format(report.dirty_bytes, dirty));
	else
		printf("everything has to be read: %s\n", report.reason);
}

/* resume_directory: NULL where it does not resume. */
static enum exit_status attach(const struct device_attach *request, const char *resume_directory)
{
	struct attachment attachment;
	char size[SIZE_TEXT_BYTES];
	char chunk[SIZE_TEXT_BYTES];
	int r = device_attach(request, &attachment);

	if (r < 0)
		return command_failure(r);
	printf("%s attached as %s, %s in chunks of %s\n", request->path, attachment.name,
	       size_text_format(attachment.nr_sectors * SECTOR_BYTES, size),
	       size_text_exact(attachment.chunk_sectors * SECTOR_BYTES, chunk));
	if (resume_directory)
		resume(&attachment, resume_directory);
	return EXIT_STATUS_OK;
}

enum exit_status command_attach(int argc, char **argv)
{
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"chunk-size", required_argument, NULL, 'c'},
		{"start", required_argument, NULL, 's'},
		{"sectors", required_argument, NULL, 'l'},
		{"resume", optional_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct device_attach request = {.chunk_bytes = TMC_CHUNK_BYTES_DEFAULT};
	enum exit_status status = EXIT_STATUS_OK;
	const char *resume_directory = NULL;
	int option;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			request.name = optarg;
			break;
		case 'c':
			status = command_size("attach", "--chunk-size", optarg, COMMAND_SIZE_CHUNK,
					      &request.chunk_bytes);
			break;
		case 's':
			status = command_size("attach", "--start", optarg, COMMAND_SIZE_COUNT,
					      &request.start_sector);
			break;
		case 'l':
			status = command_size("attach", "--sectors", optarg, COMMAND_SIZE_COUNT,
					      &request.nr_sectors);
			if (status == EXIT_STATUS_OK && !request.nr_sectors)
				return command_usage("attach", "--sectors 0: nothing to protect");
			break;
		case 'r':
			request.resumes = true;
			resume_directory = optarg ? optarg : SAVED_STATE_DIRECTORY;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("attach", option, argv);
		}
		if (status != EXIT_STATUS_OK)
			return status;
	}
	if (argc - optind != 1)
		return command_usage("attach", "attach: give one block device");
	request.path = argv[optind];
	return attach(&request, resume_directory);
}
