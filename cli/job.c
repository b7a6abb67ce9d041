// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark job: orders to the jobs of tidemarkd.
 */
#include "agent/control_client.h"
#include "cli/command.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"Usage: tidemark job run|cancel|pause|resume JOB [--control SOCKET]\n"
	"       tidemark job accept VOLUME [--control SOCKET]\n"
	"Tell tidemarkd what to do with a job, a volume or a group that it backs up on a\n"
	"schedule; \"tidemark status\" lists them.\n\n"
	"  run     begin a run now, whatever the schedule says\n"
	"  cancel  end the run that is under way; the next one is that of the schedule\n"
	"  pause   have no runs from now on, and end one that is under way\n"
	"  resume  go on with the schedule; what was missed is caught up\n"
	"  accept  another disk is in the place of the volume's, and is meant to be: it is\n"
	"          the volume from now on, and its restore points are a chain of their own\n\n"
	"      --control SOCKET  where tidemarkd listens (default: " CONTROL_PATH ")\n"
	"  -h, --help            this text\n\n"
	"Example: tidemark job run data";

static int ask(const char *control, const char *order, const char *job)
{
	CLEANUP_FREE char *answer = NULL;
	struct json_object *object, *error;
	char request[CONTROL_REQUEST_BYTES];
	int r;

	if (snprintf(request, sizeof(request), "%s %s", order, job) >= (int)sizeof(request))
		return failure_set(-ENOENT, "%.32s...: no job has a name that long", job);
	r = control_client_ask(control, request, &answer);
	if (r < 0)
		return r;
	object = json_tokener_parse(answer);
	error = json_object_object_get(object, "error");
	if (!object)
		r = failure_set(-EIO, "%s: the answer of tidemarkd makes no sense", control);
	else if (error)
		r = failure_set(-json_object_get_int(json_object_object_get(object, "errno")), "%s",
				json_object_get_string(error));
	json_object_put(object);
	return r;
}

static bool is_order(const char *word)
{
	static const char *const orders[] = {"run", "cancel", "pause", "resume", "accept"};

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(word, orders[i]) == 0)
			return true;
	return false;
}

enum exit_status command_job(int argc, char **argv)
{
	static const struct option options[] = {
		{"control", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *control = CONTROL_PATH;
	int option;
	int r;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			control = optarg;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("job", option, argv);
		}
	}
	if (argc - optind != 2)
		return command_usage("job", "job: give an order and a job");
	if (!is_order(argv[optind]))
		return command_usage("job", "job: %s: no such order", argv[optind]);
	r = ask(control, argv[optind], argv[optind + 1]);
	return r < 0 ? command_failure(r) : EXIT_STATUS_OK;
}
