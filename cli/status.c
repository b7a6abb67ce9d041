// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark status: what is protected and attached, and whether all is well. Asks tidemarkd, and
 * reads the targets' status lines, which works while backups run.
 */
#include "agent/control_client.h"
#include "agent/device.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/status_check.h"
#include "cli/status_table.h"
#include "common/block_tree.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/duration_text.h"
#include "common/failure.h"
#include "common/hex.h"
#include "common/size_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTOR_BYTES 512
#define NS_PER_MS    1000000u

static const char help[] =
	"Usage: tidemark status [--control SOCKET] [--json]\n"
	"       tidemark status --check [--max-lag SPAN] [--max-point-age SPAN]\n"
	"List the volumes that tidemarkd protects, where it runs. SINCE: how long every write has\n"
	"been kept without a hole. BEHIND: the age of the oldest write that is not durable. POINT:\n"
	"the age of the latest restore point. DIRTY: what would be read again after a failure.\n"
	"RING: how full it is; STALLS: writes that had to wait for it; GAPS: times it was full.\n"
	"Why a volume is not \"streaming\" stands below, and until when it can be had.\n\n"
	"Then its jobs: LAST, how long ago a run of it succeeded; DUE, how long until the next.\n\n"
	"Then the attached devices. DIRTY is what the next incremental backup will read; CUT\n"
	"is \"active\" while a backup runs, \"lost\" when it has to start again; BASE is the\n"
	"point that the next backup builds on, \"-\" when it will read everything. STATE is that\n"
	"of the device: \"grown\" when there is more of it now than is attached, \"short\" when\n"
	"less, \"gone\" when it was unplugged.\n\n"
	"      --control SOCKET  where tidemarkd listens (default: " CONTROL_PATH ")\n"
	"      --json            report one JSON object with the arrays \"attachments\",\n"
	"                        \"volumes\" and \"jobs\"\n"
	"      --check           for monitoring: a line for each problem, or one that says OK;\n"
	"                        exit status 0 OK, 1 warning, 2 critical, 3 unknown\n"
	"      --max-lag SPAN    critical is a volume that is further behind (default: twice its\n"
	"                        rpo and 10s)\n"
	"      --max-point-age SPAN  a warning is an older latest point (default: twice the\n"
	"                        interval of points and 5min)\n"
	"  -h, --help            this text";

enum how { HOW_TEXT, HOW_JSON, HOW_CHECK };

struct request {
	const char *control;
	enum how how;
	struct status_limits limits;
};

/* -------------------------------------------------------------- protected volumes */

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
	if (attachment->counts_stalls)
		json_add_number(object, "stalls", attachment->stalls);
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

static struct json_object *make_report(const struct block_tree *tree,
				       const struct attachment *attachments, size_t nr,
				       struct json_object *answer)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < nr; i++)
		add_attachment(array, tree, &attachments[i]);
	json_add_bool(object, "configured", access(CONFIG_PATH, F_OK) == 0);
	json_add_bool(object, "tidemarkd", answer);
	json_object_object_add(object, "attachments", array);
	if (answer) {
		json_object_object_add(object, "volumes",
				       json_object_get(json_object_object_get(answer, "volumes")));
		json_object_object_add(object, "jobs",
				       json_object_get(json_object_object_get(answer, "jobs")));
	}
	return object;
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

/* ---------------------------------------------------------------------- verb */

static uint64_t now_ms(void)
{
	return clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static int check(const struct request *request, struct json_object *report)
{
	int level = status_check(report, &request->limits, now_ms(), stdout);

	return level < 0 ? failure_set(level, "out of memory") : level;
}

static void show_tables(struct json_object *report)
{
	status_table(stdout, json_object_object_get(report, "volumes"), now_ms());
	status_job_table(stdout, json_object_object_get(report, "jobs"), now_ms());
}

/* Returns the exit status, or a negative errno. */
static int show_status(const struct request *request)
{
	CLEANUP(json_drop) struct json_object *answer = NULL, *report = NULL;
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	CLEANUP_FREE struct attachment *attachments = NULL;
	size_t nr;
	int r = device_list(&attachments, &nr);

	if (r == 0)
		r = ask_daemon(request->control, &answer);
	if (r == 0)
		r = block_tree_open_system(&tree);
	if (r < 0)
		return r;
	report = make_report(&tree, attachments, nr, answer);
	if (request->how == HOW_CHECK)
		return check(request, report);
	if (request->how == HOW_JSON)
		json_print(json_object_get(report));
	else if (answer)
		show_tables(report);
	if (request->how == HOW_TEXT)
		report_text(&tree, attachments, nr);
	return EXIT_STATUS_OK;
}

/* A tidemarkd that hangs protects nothing; of whatever else fails nobody knows what it means. */
static enum exit_status run(const struct request *request)
{
	int r = show_status(request);

	if (r >= 0)
		return (enum exit_status)r;
	if (request->how != HOW_CHECK)
		return command_failure(r);
	printf("%s: %s\n", r == -ETIMEDOUT ? "CRITICAL" : "UNKNOWN", failure_text());
	return (enum exit_status)(r == -ETIMEDOUT ? STATUS_CRITICAL : STATUS_UNKNOWN);
}

static enum exit_status take_span(const char *option, const char *text, uint64_t *ret_ms)
{
	uint64_t ns;

	if (duration_text_parse(text, &ns) < 0 || ns < NS_PER_MS)
		return command_usage("status", "%s %s: is no span of time; give one as 30s, 15min, 2h",
				     option, text);
	*ret_ms = ns / NS_PER_MS;
	return EXIT_STATUS_OK;
}

static enum exit_status take_option(int option, char **argv, struct request *request)
{
	switch (option) {
	case 's':
		request->control = optarg;
		return EXIT_STATUS_OK;
	case 'j':
		if (request->how == HOW_CHECK)
			break;
		request->how = HOW_JSON;
		return EXIT_STATUS_OK;
	case 'c':
		if (request->how == HOW_JSON)
			break;
		request->how = HOW_CHECK;
		return EXIT_STATUS_OK;
	case 'l':
		return take_span("--max-lag", optarg, &request->limits.lag_ms);
	case 'p':
		return take_span("--max-point-age", optarg, &request->limits.point_age_ms);
	default:
		return command_bad_option("status", option, argv);
	}
	return command_usage("status", "status: --check or --json, not both");
}

static enum exit_status check_request(int argc, char **argv, const struct request *request)
{
	if (argc != optind)
		return command_usage("status", "status: takes no argument \"%s\"", argv[optind]);
	if (request->how != HOW_CHECK && (request->limits.lag_ms || request->limits.point_age_ms))
		return command_usage("status", "status: limits are for --check");
	return EXIT_STATUS_OK;
}

/* To a monitoring system the status of a wrong command line would be "critical". */
static enum exit_status usage_status(enum exit_status status, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--check") == 0)
			return (enum exit_status)STATUS_UNKNOWN;
	return status;
}

enum exit_status command_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"control", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"check", no_argument, NULL, 'c'},
		{"max-lag", required_argument, NULL, 'l'},
		{"max-point-age", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct request request = {.control = CONTROL_PATH};
	enum exit_status status = EXIT_STATUS_OK;
	int option;

	while (status == EXIT_STATUS_OK &&
	       (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h') {
			puts(help);
			return EXIT_STATUS_OK;
		}
		status = take_option(option, argv, &request);
	}
	if (status == EXIT_STATUS_OK)
		status = check_request(argc, argv, &request);
	return status == EXIT_STATUS_OK ? run(&request) : usage_status(status, argc, argv);
}
