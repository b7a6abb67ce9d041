// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/volume_pin.h"
#include "common/failure.h"
#include "common/text_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_DIRECTORY "/var/lib/tidemark"

static int find_path(const char *name, char ret_path[PATH_MAX])
{
	const char *directory = getenv("STATE_DIRECTORY");

	if (!*name || *name == '.' || strchr(name, '/'))
		return failure_set(-EINVAL, "\"%s\": no file can have this name; give the volume "
				   "another one", name);
	snprintf(ret_path, PATH_MAX, "%s/volumes/%s", directory ? directory : STATE_DIRECTORY,
		 name);
	return 0;
}

int volume_pin_read(const char *name, char ret_id[TMC_TEXT_BYTES])
{
	char path[PATH_MAX];
	int r = find_path(name, path);

	ret_id[0] = '\0';
	if (r < 0)
		return r;
	r = text_file_line(ret_id, TMC_TEXT_BYTES, "%s", path);
	return r < 0 ? failure_set(r, "%s: %s", path, strerror(-r)) : 0;
}

int volume_pin_write(const char *name, const char *volume_id)
{
	char line[TMC_TEXT_BYTES + 1];
	char path[PATH_MAX];
	int r = find_path(name, path);

	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "%s\n", volume_id);
	r = text_file_replace(path, line);
	return r < 0 ? failure_set(r, "%s: %s", path, strerror(-r)) : 0;
}
