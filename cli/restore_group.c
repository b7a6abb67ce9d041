// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where one volume fails the others are told of as well: which are complete, which are as they
 * were.
 */
#include "cli/restore_group.h"
#include "cli/command.h"
#include "cli/restore_manifest.h"
#include "cli/restore_report.h"
#include "common/cleanup.h"

static void report_json(const struct group_result *result)
{
	puts("{ \"restores\": [");
	for (size_t i = 0; i < result->nr; i++) {
		const struct group_member *member = &result->members[i];

		restore_manifest_print(stdout, member->target, &member->result);
		if (i + 1 < result->nr)
			puts(",");
	}
	puts("] }");
}

static void report_text(const struct group_result *result)
{
	for (size_t i = 0; i < result->nr; i++)
		restore_report(result->members[i].target, &result->members[i].result);
}

/* Nothing was touched, or the first so many were written. */
static void report_failed(const struct group_result *result)
{
	bool begun = result->nr && result->members[0].result.stage != RESTORE_NOT_BEGUN;

	for (size_t i = 0; i < result->nr; i++) {
		const struct group_member *member = &result->members[i];

		restore_report_incomplete(member->target, &member->result);
		if (begun && member->result.stage == RESTORE_COMPLETE)
			fprintf(stderr, "tidemark: %s: is complete\n", member->target);
		if (begun && member->result.stage == RESTORE_NOT_BEGUN)
			fprintf(stderr, "tidemark: %s: was not touched\n", member->target);
	}
}

static enum exit_status report_unreadable(const struct group_result *result)
{
	enum exit_status status = EXIT_STATUS_OK;

	for (size_t i = 0; i < result->nr; i++) {
		const struct group_member *member = &result->members[i];

		restore_report_unreadable(member->target, &member->result);
		if (tally_bytes(&member->result.tally, TALLY_UNREADABLE))
			status = EXIT_STATUS_DAMAGED;
	}
	return status;
}

enum exit_status restore_group(const struct group_request *request, bool json, bool quiet)
{
	CLEANUP(group_result_clear) struct group_result result = {0};
	int r = group_restore_run(request, &result);
	enum exit_status status;

	if (r < 0) {
		status = command_failure(r);
		report_failed(&result);
		return status;
	}
	if (json)
		report_json(&result);
	else if (!quiet)
		report_text(&result);
	return report_unreadable(&result);
}
