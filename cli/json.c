// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A thin cover over json-c that has no way to fail halfway: memory that runs out
 * here ends in null members, which a reader notices.
 */
#include "cli/json.h"

#include <stdio.h>

void json_add_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

void json_add_number(struct json_object *object, const char *name, uint64_t number)
{
	json_object_object_add(object, name, json_object_new_uint64(number));
}

void json_add_ms(struct json_object *object, const char *name, uint64_t ms)
{
	struct json_object *seconds = json_object_new_double((double)ms / 1000.0);

	json_object_set_serializer(seconds, json_object_double_to_json_string, (void *)"%.3f",
				   NULL);
	json_object_object_add(object, name, seconds);
}

void json_add_bool(struct json_object *object, const char *name, bool value)
{
	json_object_object_add(object, name, json_object_new_boolean(value));
}

void json_drop(struct json_object **object)
{
	json_object_put(*object);
}

void json_print(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}
