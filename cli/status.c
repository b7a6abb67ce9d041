// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark status: what is attached. Reads the targets' status lines, which
 * works while backups run.
 */
#include "agent/control_client.h"
#include "agent/device.h"
#include "cli/command.h"
#include "cli/json.h"
#include "common/block_tree.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/hex.h"
#include "common/size_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#define SECTOR_BYTES 512

static const char help[] =
	"Usage: tidemark status [--control SOCKET] [--json]\n"
	"List the volumes that tidemarkd protects, where it runs: until WHEN each can be had at\n"
	"any second, and why it cannot where it is \"waiting\".\n\n"
	"Then the attached devices. DIRTY is what the next incremental backup will read; CUT\n"
	"is \"active\" while a backup runs, \"lost\" when it has to start again; BASE is the\n"
	"point that the next backup builds on, \"-\" when it will read everything. STATE is that\n"
	"of the device: \"grown\" when there is more of it now than is attached, \"short\" when\n"
	"less, \"gone\" when it was unplugged.\n\n"
	"      --control SOCKET  where tidemarkd listens (default: " CONTROL_PATH ")\n"
	"      --json            report one JSON object with the arrays \"attachments\" and\n"
	"                        \"volumes\"\n"
	"  -h, --help            this text";

/* -------------------------------------------------------------- protected volumes */

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *member = json_object_object_get(object, name);

	return member ? json_object_get_string(member) : "";
}

static uint64_t number_of(struct json_object *object, const char *name)
{
	return json_object_get_uint64(json_object_object_get(object, name));
}

/* NULL: no tidemarkd runs. */
static int ask_daemon(const char *control, struct json_object **ret_answer)
{
	CLEANUP_FREE char *text = NULL;
	int r = control_client_ask(control, "status", &text);

	*ret_answer = NULL;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret_answer = json_tokener_parse(text);
	return *ret_answer ? 0 : failure_set(-EIO, "%s: the answer of tidemarkd makes no sense",
					     control);
}

static void print_volume(struct json_object *volume)
{
	time_t until = (time_t)(number_of(volume, "durable_ms") / 1000);
	const char *reason = text_of(volume, "reason");
	const char *state = text_of(volume, "state");
	char when[32] = "-";
	struct tm tm;

	if (until && localtime_r(&until, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%-16s  %-12s  %-9s  %-19s  %12.12s  %4" PRIu64 "  %s\n", text_of(volume, "volume"),
	       text_of(volume, "device"), state, when,
	       *text_of(volume, "point") ? text_of(volume, "point") : "-",
	       number_of(volume, "gaps"), strcmp(state, "waiting") == 0 ? reason : "");
}

static void print_volumes(struct json_object *answer)
{
	struct json_object *volumes = json_object_object_get(answer, "volumes");

	printf("%-16s  %-12s  %-9s  %-19s  %12s  %4s  %s\n", "VOLUME", "DEVICE", "STATE", "UNTIL",
	       "POINT", "GAPS", "REASON");
	for (size_t i = 0; i < json_object_array_length(volumes); i++)
		print_volume(json_object_array_get_idx(volumes, i));
	putchar('\n');
}

/* -------------------------------------------------------------------- attachments */

static void device_text(const struct block_tree *tree, dev_t device, char *ret_text, size_t size)
{
	char name[BLOCK_NAME_BYTES];

	if (block_tree_name(tree, device, name) == 0)
		snprintf(ret_text, size, "/dev/%s", name);
	else
		snprintf(ret_text, size, "%u:%u", major(device), minor(device));
}

static void add_attachment(struct json_object *array, const struct block_tree *tree,
			   const struct attachment *attachment)
{
	struct json_object *object = json_object_new_object();
	char base[2 * ATTACHMENT_BASE_BYTES + 1];
	char device[BLOCK_NAME_BYTES + 8];

	device_text(tree, attachment->live, device, sizeof(device));
	hex_format(attachment->base, sizeof(attachment->base), base);
	json_add_text(object, "name", attachment->name);
	json_add_text(object, "device", device);
	json_add_number(object, "start_sector", attachment->start_sector);
	json_add_number(object, "volume_bytes", attachment->nr_sectors * SECTOR_BYTES);
	json_add_number(object, "chunk_bytes", attachment->chunk_sectors * SECTOR_BYTES);
	json_add_text(object, "mode", attachment->mode);
	json_add_text(object, "cut", attachment->cut);
	json_add_text(object, "device_state", attachment->device_state);
	json_add_number(object, "epoch", attachment->epoch);
	json_add_number(object, "dirty_chunks", attachment->dirty_chunks);
	json_add_number(object, "total_chunks", attachment->nr_chunks);
	json_add_number(object, "dirty_bytes", attachment_dirty_bytes(attachment));
	if (attachment->has_base)
		json_add_text(object, "base", base);
	else
		json_object_object_add(object, "base", NULL);
	json_add_number(object, "preserved", attachment->preserved);
	json_add_number(object, "held", attachment->held);
	json_add_number(object, "lost", attachment->lost);
	json_add_bool(object, "agent", attachment->agent);
	json_object_array_add(array, object);
}

static void print_attachment(const struct block_tree *tree, const struct attachment *attachment)
{
	char base[2 * ATTACHMENT_BASE_BYTES + 1] = "-";
	char device[BLOCK_NAME_BYTES + 8];
	char size[SIZE_TEXT_BYTES];
	char dirty[SIZE_TEXT_BYTES];

	device_text(tree, attachment->live, device, sizeof(device));
	if (attachment->has_base)
		hex_format(attachment->base, sizeof(attachment->base), base);
	printf("%-16s  %-12s  %10s  %-6s  %10s  %-6s  %-12.12s  %-5s  %s\n", attachment->name, device,
	       size_text_format(attachment->nr_sectors * SECTOR_BYTES, size), attachment->mode,
	       size_text_format(attachment_dirty_bytes(attachment), dirty), attachment->cut, base,
	       attachment->agent ? "yes" : "no", attachment->device_state);
}

static void report_json(const struct block_tree *tree, const struct attachment *attachments,
			size_t nr, struct json_object *answer)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < nr; i++)
		add_attachment(array, tree, &attachments[i]);
	json_object_object_add(object, "attachments", array);
	if (answer)
		json_object_object_add(object, "volumes",
				       json_object_get(json_object_object_get(answer, "volumes")));
	json_print(object);
}

static void report_text(const struct block_tree *tree, const struct attachment *attachments,
			size_t nr)
{
	if (nr)
		printf("%-16s  %-12s  %10s  %-6s  %10s  %-6s  %-12s  %-5s  %s\n", "NAME", "DEVICE",
		       "SIZE", "MODE", "DIRTY", "CUT", "BASE", "AGENT",
		       "STATE");
	else
		puts("nothing is attached");
	for (size_t i = 0; i < nr; i++)
		print_attachment(tree, &attachments[i]);
}

static void put_json(struct json_object **object)
{
	json_object_put(*object);
}

static enum exit_status show_status(const char *control, bool json)
{
	CLEANUP(put_json) struct json_object *answer = NULL;
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	CLEANUP_FREE struct attachment *attachments = NULL;
	size_t nr;
	int r = device_list(&attachments, &nr);

	if (r == 0)
		r = ask_daemon(control, &answer);
	if (r < 0)
		return command_failure(r);
	r = block_tree_open_system(&tree);
	if (r < 0)
		return command_failure(r);
	if (json)
		report_json(&tree, attachments, nr, answer);
	else if (answer)
		print_volumes(answer);
	if (!json)
		report_text(&tree, attachments, nr);
	return EXIT_STATUS_OK;
}

enum exit_status command_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"control", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *control = CONTROL_PATH;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			control = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("status", option, argv);
		}
	}
	if (argc != optind)
		return command_usage("status", "status: takes no argument \"%s\"", argv[optind]);
	return show_status(control, json);
}
