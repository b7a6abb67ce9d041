// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark status: what is attached. Reads the targets' status lines, which
 * works while backups run.
 */
#include "agent/device.h"
#include "cli/command.h"
#include "cli/json.h"
#include "common/block_tree.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/hex.h"
#include "common/size_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define SECTOR_BYTES 512

static const char help[] =
	"Usage: tidemark status [--json]\n"
	"List the attached devices. DIRTY is what the next incremental backup will read; CUT\n"
	"is \"active\" while a backup runs, \"lost\" when it has to start again; BASE is the\n"
	"point that the next backup builds on, \"-\" when it will read everything. STATE is that\n"
	"of the device: \"grown\" when there is more of it now than is attached, \"short\" when\n"
	"less, \"gone\" when it was unplugged.\n\n"
	"      --json  report one JSON object with the array \"attachments\"\n"
	"  -h, --help  this text";

static void device_text(const struct block_tree *tree, dev_t device, char *ret_text, size_t size)
{
	char name[BLOCK_NAME_BYTES];

	if (block_tree_name(tree, device, name) == 0)
		snprintf(ret_text, size, "/dev/%s", name);
	else
		snprintf(ret_text, size, "%u:%u", major(device), minor(device));
}

static uint64_t dirty_bytes(const struct attachment *attachment)
{
	uint64_t bytes = attachment->dirty_chunks * attachment->chunk_sectors * SECTOR_BYTES;
	uint64_t all = attachment->nr_sectors * SECTOR_BYTES;

	return bytes < all ? bytes : all;
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
	json_add_number(object, "dirty_bytes", dirty_bytes(attachment));
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
	       size_text_format(dirty_bytes(attachment), dirty), attachment->cut, base,
	       attachment->agent ? "yes" : "no", attachment->device_state);
}

static void report_json(const struct block_tree *tree, const struct attachment *attachments,
			size_t nr)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < nr; i++)
		add_attachment(array, tree, &attachments[i]);
	json_object_object_add(object, "attachments", array);
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

static enum exit_status show_status(bool json)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	CLEANUP_FREE struct attachment *attachments = NULL;
	size_t nr;
	int r = device_list(&attachments, &nr);

	if (r < 0)
		return command_failure(r);
	r = block_tree_open("/sys", "/proc/self/mountinfo", &tree);
	if (r < 0)
		return command_failure(failure_set(r, "/sys and /proc: %s", strerror(-r)));
	if (json)
		report_json(&tree, attachments, nr);
	else
		report_text(&tree, attachments, nr);
	return EXIT_STATUS_OK;
}

enum exit_status command_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
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
	return show_status(json);
}
