// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark detach: stop tracking, and keep what was tracked or not.
 */
#include "agent/device.h"
#include "agent/resume_device.h"
#include "agent/saved_state.h"
#include "cli/command.h"
#include "common/size_text.h"

#include <stdio.h>

static const char help[] =
	"Usage: tidemark detach DEVICE|NAME [--save[=DIR]]\n"
	"Stop tracking. The device stays as it is, mounted and in use; its restore points\n"
	"stay in their repository. What was written since the last backup is forgotten, so\n"
	"the next backup after attaching again reads the whole device once.\n\n"
	"      --save[=DIR]  keep what was written, for \"tidemark attach --resume\"; nothing\n"
	"                    may be mounted from the device, unless read-only. DIR: another\n"
	"                    place than " SAVED_STATE_DIRECTORY ", for --resume=DIR\n"
	"  -h, --help        this text\n\n"
	"Example: tidemark detach /dev/vdb";

static enum exit_status forget_and_detach(const struct attachment *attachment)
{
	struct volume_extent extent = resume_extent_of(attachment);
	int r = resume_volume_forget(&extent);

	if (r == 0)
		r = device_detach(attachment);
	if (r < 0)
		return command_failure(r);
	printf("%s detached\n", attachment->name);
	return EXIT_STATUS_OK;
}

static enum exit_status save_and_detach(const struct attachment *attachment,
					const char *directory)
{
	struct resume_report report;
	char dirty[SIZE_TEXT_BYTES];
	int r = resume_device_save(attachment, directory, &report);

	if (r < 0)
		return command_failure(r);
	if (report.done)
		printf("%s detached, and saved that %s are dirty\n", attachment->name,
		       size_text_format(report.dirty_bytes, dirty));
	else
		printf("%s detached; nothing was saved, everything will have to be read: %s\n",
		       attachment->name, report.reason);
	return EXIT_STATUS_OK;
}

enum exit_status command_detach(int argc, char **argv)
{
	static const struct option options[] = {
		{"save", optional_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct attachment attachment;
	const char *directory = NULL;
	int option;
	int r;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			directory = optarg ? optarg : SAVED_STATE_DIRECTORY;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("detach", option, argv);
		}
	}
	if (argc - optind != 1)
		return command_usage("detach", "detach: give one device or attachment");
	r = device_find(argv[optind], &attachment);
	if (r < 0)
		return command_failure(r);
	return directory ? save_and_detach(&attachment, directory) :
			   forget_and_detach(&attachment);
}
