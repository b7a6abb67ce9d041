// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark prune: let points go that no rule keeps, and free what no point needs.
 */
#include "cli/command.h"
#include "cli/prune_report.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/duration_text.h"
#include "common/failure.h"
#include "common/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_NS                3600000000000ull
#define REPACK_BYTES_MAX_LEAST (1ull << 30)

static const char help[] =
	"Usage: tidemark prune [--keep-RULE ...]... [--keep-journal SPAN] [--volume VOLUME]\n"
	"                      [--dry-run] [-r REPO]\n"
	"Give up the restore points that no rule keeps, and what no other point needs. Without\n"
	"a rule no point goes. What is given up is freed by the first prune that comes a day\n"
	"later, so run it regularly; backups and restores may go on meanwhile.\n\n"
	"Rules count each volume by itself, from its newest point, which always stays. Periods\n"
	"are of local time, N is a number or \"all\", the latest point of a period stands for it.\n"
	"Points of one cut over several volumes stay together. Points of the future stay, and\n"
	"are not counted.\n\n"
	"      --keep-last N      the newest N points\n"
	"      --keep-hourly N    one point of each of the latest N hours that have any\n"
	"      --keep-daily N     the same for days\n"
	"      --keep-weekly N    for weeks, from Monday on\n"
	"      --keep-monthly N   for months\n"
	"      --keep-yearly N    for years\n"
	"      --keep-within SPAN all that are at most so much older than the newest: a number\n"
	"                         and h, d, w, m (31 days) or y (366 days)\n"
	"      --keep-tag TAG     points that have it; may be given several times\n"
	"      --keep-journal SPAN  instants that are not older can still be had; without it the\n"
	"                         journal is left alone\n"
	"      --volume VOLUME    only points and journal of this volume go, by its name or\n"
	"                         identity\n"
	"      --dry-run          only tell what would go\n"
	"      --grace SPAN       free what was given up so long ago (24h); 0: at once, safe for\n"
	"                         a repository on a local file system\n"
	"      --repack-below PERCENT  packs of which less is needed are copied (50)\n"
	"      --max-repack SIZE  copy at most so much (a tenth of all packs, at least 1G)\n"
	"  -r, --repo REPO        the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json             report one JSON object\n"
	"  -q, --quiet            no progress, no notes, no report\n"
	"  -h, --help             this text\n\n"
	"Example: tidemark prune --keep-within 2d --keep-daily 7 --keep-weekly 5 --dry-run\n"
	"             -r /backup/repo";

struct request {
	const char *repository, *volume;
	struct tmc_retention rules;
	const char *tags[TMC_TAGS_MAX];
	struct tmc_prune_options options;
	bool default_repack, json, quiet;
};

struct watch {
	struct progress progress;
	bool quiet;
};

/* --------------------------------------------------------------------- decide */

static bool has_rule(const struct tmc_retention *rules)
{
	return rules->last || rules->hourly || rules->daily || rules->weekly || rules->monthly ||
	       rules->yearly || rules->within_ns || rules->nr_tags;
}

/* A slip in a tag would let go of what it was to keep. */
static void note_unknown_tags(const struct request *request, const struct tmc_note *notes,
			      size_t nr)
{
	char text[TMC_TAG_TEXT + 100];

	for (size_t t = 0; t < request->rules.nr_tags; t++) {
		bool known = false;

		for (size_t i = 0; i < nr && !known; i++)
			known = tmc_note_has_tag(&notes[i], request->tags[t]);
		snprintf(text, sizeof(text), "no restore point has the tag \"%s\"",
			 request->tags[t]);
		if (!known && !request->quiet)
			command_notice(text);
	}
}

static int apply_rules(struct tmc_repo *repo, const struct request *request,
		       struct prune_plan *plan)
{
	CLEANUP_FREE struct tmc_note *notes = NULL;
	size_t nr_notes = 0;
	int r = request->rules.nr_tags ? tmc_note_list(repo, &notes, &nr_notes) : 0;

	if (r < 0)
		return r;
	note_unknown_tags(request, notes, nr_notes);
	r = tmc_retention_apply(&request->rules, plan->points, plan->nr, notes, nr_notes,
				clock_ns(CLOCK_REALTIME), plan->reasons);
	return r < 0 ? r : tmc_retention_keep_journal(repo, plan->points, plan->nr,
						      plan->reasons);
}

static bool is_of_volume(const struct tmc_point *point, const char *volume)
{
	return strcmp(point->volume.name, volume) == 0 ||
	       strcmp(point->volume.volume_id, volume) == 0;
}

/*
 * The points of other volumes take part in the rules all the same: of this volume those
 * points go that would go with all of them, so that cuts stay whole.
 */
static int spare_others(const char *volume, struct prune_plan *plan)
{
	bool any = false;

	for (size_t i = 0; i < plan->nr; i++) {
		if (is_of_volume(&plan->points[i], volume))
			any = true;
		else
			plan->reasons[i] = PRUNE_NO_RULE;
	}
	return any ? 0 : failure_set(-ENOENT, "there is no restore point of a volume \"%s\"",
				     volume);
}

/* The plan's points hold the text. */
static int find_journal(const struct request *request, struct prune_plan *plan)
{
	const char *found = NULL;

	for (size_t i = 0; i < plan->nr; i++) {
		const char *volume_id = plan->points[i].volume.volume_id;

		if (!is_of_volume(&plan->points[i], request->volume))
			continue;
		if (found && strcmp(found, volume_id) != 0)
			return failure_set(-ENOTUNIQ, "several volumes are called \"%s\": name the "
					   "one whose journal is meant by its identity",
					   request->volume);
		found = volume_id;
	}
	plan->journal_volume_id = found;
	return 0;
}

static int decide(struct tmc_repo *repo, const struct request *request, struct prune_plan *plan)
{
	int r = tmc_point_list(repo, &plan->points, &plan->nr);

	if (r < 0)
		return r;
	plan->reasons = calloc(plan->nr + 1, sizeof(*plan->reasons));
	if (!plan->reasons)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < plan->nr; i++)
		plan->reasons[i] = PRUNE_NO_RULE;
	if (has_rule(&request->rules))
		r = apply_rules(repo, request, plan);
	if (r == 0 && request->volume)
		r = spare_others(request->volume, plan);
	if (r == 0 && request->volume && plan->keeps_journal)
		r = find_journal(request, plan);
	return r;
}

/* ------------------------------------------------------------------------ run */

static void on_say(void *context, const char *text)
{
	struct watch *watch = context;

	if (watch->quiet)
		return;
	progress_clear(&watch->progress);
	command_notice(text);
}

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	struct watch *watch = context;

	progress_update(&watch->progress, done_bytes, total_bytes);
}

static int choose_repack(struct tmc_repo *repo, uint64_t *ret_bytes)
{
	struct tmc_stats stats;
	int r = tmc_repo_stats(repo, TMC_STATS_CHEAP, &stats);

	if (r < 0)
		return r;
	*ret_bytes = stats.pack_bytes / 10;
	if (*ret_bytes < REPACK_BYTES_MAX_LEAST)
		*ret_bytes = REPACK_BYTES_MAX_LEAST;
	return 0;
}

static int carry_out(struct tmc_repo *repo, const struct request *request,
		     const struct prune_plan *plan, struct tmc_prune_result *result)
{
	CLEANUP_FREE struct tmc_id *ids = calloc(plan->nr + 1, sizeof(*ids));
	struct tmc_prune_options options = request->options;
	struct watch watch = {.quiet = request->quiet};
	int r = request->default_repack ? choose_repack(repo, &options.repack_bytes_max) : 0;

	if (r < 0)
		return r;
	if (!ids)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < plan->nr; i++)
		if (!plan->reasons[i])
			ids[options.nr_points++] = plan->points[i].id;
	options.points = ids;
	options.journal_volume_id = plan->journal_volume_id;
	options.say = on_say;
	options.progress = on_progress;
	options.context = &watch;
	progress_start(&watch.progress, "pruning", !request->quiet);
	r = tmc_prune(repo, &options, result);
	progress_stop(&watch.progress);
	return r;
}

static int add_remedy(int error, const char *text)
{
	if (error != -EBADMSG || strstr(failure_text(), "tidemark repair"))
		return error;
	return failure_set(error, "%s; %s", failure_text(), text);
}

static int run(struct tmc_repo *repo, const struct request *request)
{
	struct prune_plan plan = {
		.grace_ns = request->options.grace_ns,
		.keeps_journal = request->options.keep_journal_ns != 0,
		.dry_run = request->options.dry_run,
	};
	struct tmc_prune_result result = {0};
	int r = decide(repo, request, &plan);

	r = add_remedy(r, "nothing was given up: \"tidemark repair\" comes first");
	if (r == 0)
		r = add_remedy(carry_out(repo, request, &plan, &result),
			       "\"tidemark repair\" comes first");
	if (r == 0 && request->json)
		prune_report_json(&plan, &result);
	else if (r == 0 && !request->quiet)
		prune_report_text(&plan, &result);
	free(plan.reasons);
	free(plan.points);
	return r;
}

static enum exit_status prune(const struct request *request)
{
	enum exit_status status = EXIT_STATUS_OK;
	struct tmc_repo *repo;
	int r = tmc_repo_open(request->repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = run(repo, request);
	if (r < 0)
		status = command_catalog_failure(r);
	tmc_repo_close(repo);
	return status;
}

/* -------------------------------------------------------------------- options */

enum {
	KEEP_LAST = 256,
	KEEP_HOURLY,
	KEEP_DAILY,
	KEEP_WEEKLY,
	KEEP_MONTHLY,
	KEEP_YEARLY,
	KEEP_WITHIN,
	KEEP_TAG,
	KEEP_JOURNAL,
	VOLUME,
	DRY_RUN,
	GRACE,
	REPACK_BELOW,
	MAX_REPACK,
};

static const struct option options[] = {
	{"keep-last", required_argument, NULL, KEEP_LAST},
	{"keep-hourly", required_argument, NULL, KEEP_HOURLY},
	{"keep-daily", required_argument, NULL, KEEP_DAILY},
	{"keep-weekly", required_argument, NULL, KEEP_WEEKLY},
	{"keep-monthly", required_argument, NULL, KEEP_MONTHLY},
	{"keep-yearly", required_argument, NULL, KEEP_YEARLY},
	{"keep-within", required_argument, NULL, KEEP_WITHIN},
	{"keep-tag", required_argument, NULL, KEEP_TAG},
	{"keep-journal", required_argument, NULL, KEEP_JOURNAL},
	{"volume", required_argument, NULL, VOLUME},
	{"dry-run", no_argument, NULL, DRY_RUN},
	{"grace", required_argument, NULL, GRACE},
	{"repack-below", required_argument, NULL, REPACK_BELOW},
	{"max-repack", required_argument, NULL, MAX_REPACK},
	{"repo", required_argument, NULL, 'r'},
	{"json", no_argument, NULL, 'j'},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

/* Up to limit; above it and what is no number: -1. */
static int64_t parse_number(const char *text, uint32_t limit)
{
	size_t length = strspn(text, "0123456789");
	unsigned long long number = strtoull(text, NULL, 10);

	return length && !text[length] && number <= limit ? (int64_t)number : -1;
}

/* 0 would be no rule, which whoever writes it can hardly mean. */
static enum exit_status take_count(const char *name, uint32_t *ret_count)
{
	int64_t number = strcmp(optarg, "all") == 0 ? UINT32_MAX :
						      parse_number(optarg, UINT32_MAX - 1);

	if (number < 1)
		return command_usage("prune", "--%s %s: must be a number from 1 on, or \"all\"",
				     name, optarg);
	*ret_count = (uint32_t)number;
	return EXIT_STATUS_OK;
}

static enum exit_status take_duration(const char *name, uint64_t least_ns, uint64_t *ret_ns)
{
	int r = duration_text_parse(optarg, ret_ns);

	if (r == 0 && *ret_ns >= least_ns)
		return EXIT_STATUS_OK;
	return command_usage("prune", r == -ERANGE ? "--%s %s: too long" :
			     "--%s %s: must be a number and h, d, w, m or y, as in 36h", name,
			     optarg);
}

static enum exit_status take_tag(struct request *request)
{
	if (!*optarg || strlen(optarg) >= TMC_TAG_TEXT || strpbrk(optarg, " ,"))
		return command_usage("prune", "--keep-tag \"%s\": no tag looks like that; give the "
				     "option once for each tag", optarg);
	if (request->rules.nr_tags == TMC_TAGS_MAX)
		return command_usage("prune", "prune: more than %u tags", TMC_TAGS_MAX);
	request->tags[request->rules.nr_tags++] = optarg;
	return EXIT_STATUS_OK;
}

static enum exit_status take_percent(uint32_t *ret_percent)
{
	int64_t number = parse_number(optarg, 100);

	if (number < 0)
		return command_usage("prune", "--repack-below %s: must be a number from 0 to 100",
				     optarg);
	*ret_percent = (uint32_t)number;
	return EXIT_STATUS_OK;
}

static enum exit_status take_rule(struct tmc_retention *rules, int option, const char *name)
{
	switch (option) {
	case KEEP_LAST:
		return take_count(name, &rules->last);
	case KEEP_HOURLY:
		return take_count(name, &rules->hourly);
	case KEEP_DAILY:
		return take_count(name, &rules->daily);
	case KEEP_WEEKLY:
		return take_count(name, &rules->weekly);
	case KEEP_MONTHLY:
		return take_count(name, &rules->monthly);
	case KEEP_YEARLY:
		return take_count(name, &rules->yearly);
	default:
		return take_duration(name, HOUR_NS, &rules->within_ns);
	}
}

static enum exit_status take_option(struct request *request, int option, const char *name)
{
	switch (option) {
	case KEEP_TAG:
		return take_tag(request);
	case KEEP_JOURNAL:
		return take_duration(name, 1, &request->options.keep_journal_ns);
	case VOLUME:
		request->volume = optarg;
		return EXIT_STATUS_OK;
	case DRY_RUN:
		request->options.dry_run = true;
		return EXIT_STATUS_OK;
	case GRACE:
		return take_duration(name, 0, &request->options.grace_ns);
	case REPACK_BELOW:
		return take_percent(&request->options.repack_below_percent);
	case MAX_REPACK:
		request->default_repack = false;
		return command_size("prune", "--max-repack", optarg, COMMAND_SIZE_COUNT,
				    &request->options.repack_bytes_max);
	default:
		return take_rule(&request->rules, option, name);
	}
}

enum exit_status command_prune(int argc, char **argv)
{
	struct request request = {
		.options = {.grace_ns = 24 * HOUR_NS, .repack_below_percent = 50},
		.default_repack = true,
	};
	enum exit_status status;
	int option, nth;

	while ((option = getopt_long(argc, argv, ":r:qh", options, &nth)) != -1) {
		switch (option) {
		case 'r':
			request.repository = optarg;
			break;
		case 'j':
			request.json = true;
			break;
		case 'q':
			request.quiet = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		case ':':
		case '?':
			return command_bad_option("prune", option, argv);
		default:
			status = take_option(&request, option, options[nth].name);
			if (status != EXIT_STATUS_OK)
				return status;
		}
	}
	if (argc != optind)
		return command_usage("prune", "prune: takes no argument \"%s\"", argv[optind]);
	if (request.volume && !has_rule(&request.rules) && !request.options.keep_journal_ns)
		return command_usage("prune", "prune: --volume says nothing without a --keep rule");
	request.rules.tags = request.tags;
	request.repository = command_repository("prune", request.repository);
	return request.repository ? prune(&request) : EXIT_STATUS_USAGE;
}
