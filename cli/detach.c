// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark detach: stop tracking, and keep what was tracked or not.
 */
#include "agent/device.h"
#include "agent/resume.h"
#include "agent/saved_state.h"
#include "cli/command.h"
#include "common/cleanup.h"
#include "common/size_text.h"

#include <stdio.h>

static const char help[] =
	"Usage: tidemark detach DEVICE|NAME [--save]\n"
	"Stop tracking. The device stays as it is, mounted and in use; its restore points\n"
	"stay in their repository. What was written since the last backup is forgotten, so\n"
	"the next backup after attaching again reads the whole device once.\n\n"
	"      --save  keep what was written, for \"tidemark attach --resume\"; nothing may be\n"
	"              mounted from the device, unless read-only\n"
	"  -h, --help  this text\n\n"
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

/* What stays attached goes on tracking, and is saved when it is detached indeed. */
static int save(const struct attachment *attachment, const struct resume_volume *volume,
		struct resume_report *ret_report)
{
	int r = resume_volume_check_quiet(volume, attachment->name);

	if (r == 0)
		r = resume_save(attachment, volume, ret_report);
	if (r == 0)
		r = device_detach(attachment);
	if (r < 0 && ret_report->done)
		saved_state_remove(volume->directory, volume->volume_id);
	return r;
}

static enum exit_status save_and_detach(const struct attachment *attachment)
{
	CLEANUP(resume_volume_close) struct resume_volume volume = {.source.fd = -1};
	struct volume_extent extent = resume_extent_of(attachment);
	struct resume_report report = {0};
	char dirty[SIZE_TEXT_BYTES];
	int r = resume_volume_open(&extent, &volume);

	if (r == 0)
		r = save(attachment, &volume, &report);
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
		{"save", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct attachment attachment;
	bool saves = false;
	int option;
	int r;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			saves = true;
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
	return saves ? save_and_detach(&attachment) : forget_and_detach(&attachment);
}
