// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark mark: a name for this instant.
 */
#include "agent/device.h"
#include "cli/command.h"

#include <stdio.h>

static const char help[] =
	"Usage: tidemark mark DEVICE|NAME TEXT\n"
	"Give this instant of an attached device, whose writes are kept in a journal, a name.\n"
	"\"tidemark restore --mark TEXT\" restores the volume as it was then: with all writes that\n"
	"had completed before, so let what is to be there be written out first, by sync(1).\n"
	"Of several marks of one name the latest counts.\n\n"
	"TEXT has up to 255 bytes, in one line.\n\n"
	"  -h, --help  this text\n\n"
	"Example: tidemark mark /dev/vdb \"before the upgrade\"";

enum exit_status command_mark(int argc, char **argv)
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
			return command_bad_option("mark", option, argv);
		puts(help);
		return EXIT_STATUS_OK;
	}
	if (argc - optind != 2)
		return command_usage("mark", "mark: give one device or attachment, and a text");
	r = device_find(argv[optind], &attachment);
	if (r == 0)
		r = device_mark(&attachment, argv[optind + 1]);
	if (r < 0)
		return command_failure(r);
	printf("%s marked\n", attachment.name);
	return EXIT_STATUS_OK;
}
