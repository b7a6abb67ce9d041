// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/job_state.h"
#include "cli/json.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX 65536

/* -------------------------------------------------------------------------- read */

static int64_t number(struct json_object *object, const char *name)
{
	return json_object_get_int64(json_object_object_get(object, name));
}

static void text(struct json_object *object, const char *name, char *ret_text, size_t bytes)
{
	const char *found = json_object_get_string(json_object_object_get(object, name));

	snprintf(ret_text, bytes, "%s", found ? found : "");
}

static int parse(const char *path, const char *content, struct job_state *ret_state)
{
	CLEANUP(json_drop) struct json_object *object = json_tokener_parse(content);

	if (!json_object_is_type(object, json_type_object))
		return failure_set(-EBADMSG, "%s: makes no sense; what the job has done is not known",
				   path);
	ret_state->past.settled_s = number(object, "settled_s");
	ret_state->past.failed_s = number(object, "failed_s");
	ret_state->past.failures = (unsigned int)number(object, "failures");
	ret_state->succeeded_s = number(object, "succeeded_s");
	ret_state->paused = json_object_get_boolean(json_object_object_get(object, "paused"));
	text(object, "points", ret_state->points, sizeof(ret_state->points));
	text(object, "reason", ret_state->reason, sizeof(ret_state->reason));
	return 0;
}

int job_state_read(const char *path, struct job_state *ret_state)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char content[FILE_BYTES_MAX];
	ssize_t got;

	*ret_state = (struct job_state){0};
	if (fd < 0 && errno == ENOENT)
		return 0;
	got = fd < 0 ? -1 : read(fd, content, sizeof(content) - 1);
	if (got < 0)
		return failure_set(-errno, "%s: %s", path, strerror(errno));
	content[got] = '\0';
	return parse(path, content, ret_state);
}

/* ------------------------------------------------------------------------- write */

static struct json_object *to_json(const struct job_state *state)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "settled_s", json_object_new_int64(state->past.settled_s));
	json_object_object_add(object, "failed_s", json_object_new_int64(state->past.failed_s));
	json_add_number(object, "failures", state->past.failures);
	json_object_object_add(object, "succeeded_s", json_object_new_int64(state->succeeded_s));
	json_add_bool(object, "paused", state->paused);
	json_add_text(object, "points", state->points);
	json_add_text(object, "reason", state->reason);
	return object;
}

int job_state_write(const char *path, const struct job_state *state)
{
	CLEANUP(json_drop) struct json_object *object = to_json(state);
	int r = text_file_replace(path, json_object_to_json_string_ext(object,
								       JSON_C_TO_STRING_PRETTY));

	return r < 0 ? failure_set(r, "%s: %s", path, strerror(-r)) : 0;
}
