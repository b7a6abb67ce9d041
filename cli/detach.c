// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark detach: stop tracking.
 */
#include "agent/device.h"
#include "cli/command.h"

#include <stdio.h>

static const char help[] =
	"Usage: tidemark detach DEVICE|NAME\n"
	"Stop tracking. The device stays as it is, mounted and in use; its restore points\n"
	"stay in their repository. What was written since the last backup is forgotten, so\n"
	"the next backup after attaching again reads the whole device once.\n\n"
	"  -h, --help  this text\n\n"
	"Example: tidemark detach /dev/vdb";

enum exit_status command_detach(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct attachment attachment;
	int option;
	int r;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option != 'h')
			return command_bad_option("detach", option, argv);
		puts(help);
		return EXIT_STATUS_OK;
	}
	if (argc - optind != 1)
		return command_usage("detach", "detach: give one device or attachment");
	r = device_find(argv[optind], &attachment);
	if (r == 0)
		r = device_detach(&attachment);
	if (r < 0)
		return command_failure(r);
	printf("%s detached\n", attachment.name);
	return EXIT_STATUS_OK;
}
