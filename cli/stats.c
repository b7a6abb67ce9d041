// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark stats: what a repository holds.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/size_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark stats [-r REPO] [--walk] [--json]\n"
	"Count what a repository holds, and tell how much smaller it is than all images\n"
	"together. This looks at names and sizes only.\n\n"
	"      --walk       read the trees of all points as well: what deduplication and\n"
	"                   compression save, and what no point needs\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object\n"
	"  -h, --help       this text\n\n"
	"Example: tidemark stats --walk -r /backup/repo";

static void report_json(const struct tmc_stats *stats)
{
	struct json_object *object = json_object_new_object();

	json_add_number(object, "points", stats->points);
	json_add_number(object, "volumes", stats->volumes);
	json_add_number(object, "logical_bytes", stats->logical_bytes);
	json_add_number(object, "packs", stats->packs);
	json_add_number(object, "pack_bytes", stats->pack_bytes);
	json_add_number(object, "indexes", stats->indexes);
	json_add_number(object, "index_bytes", stats->index_bytes);
	json_add_number(object, "point_bytes", stats->point_bytes);
	json_add_number(object, "index_entries", stats->index_entries);
	json_add_number(object, "segments", stats->segments);
	json_add_number(object, "segment_bytes", stats->segment_bytes);
	if (stats->depth == TMC_STATS_WALK) {
		json_add_number(object, "chunks", stats->chunks);
		json_add_number(object, "chunk_bytes", stats->chunk_bytes);
		json_add_number(object, "chunk_stored_bytes", stats->chunk_stored_bytes);
		json_add_number(object, "nodes", stats->nodes);
		json_add_number(object, "node_stored_bytes", stats->node_stored_bytes);
		json_add_number(object, "unneeded_bytes", stats->unneeded_bytes);
		json_add_number(object, "unneeded_packs", stats->unneeded_packs);
		json_add_number(object, "unneeded_pack_bytes", stats->unneeded_pack_bytes);
	}
	json_print(object);
}

static void print_count(const char *name, uint64_t nr, uint64_t bytes)
{
	char size[SIZE_TEXT_BYTES];

	printf("%-16s %12" PRIu64 "  %10s\n", name, nr, size_text_format(bytes, size));
}

static void print_ratio(const char *name, uint64_t before, uint64_t after)
{
	if (after)
		printf("%-16s %12.2f : 1\n", name, (double)before / (double)after);
}

static void report_text(const struct tmc_stats *stats)
{
	char size[SIZE_TEXT_BYTES];

	printf("%-16s %12" PRIu64 "\n", "volumes", stats->volumes);
	print_count("points", stats->points, stats->logical_bytes);
	print_count("packs", stats->packs, stats->pack_bytes);
	print_count("indexes", stats->indexes, stats->index_bytes);
	printf("%-16s %12" PRIu64 "\n", "index entries", stats->index_entries);
	print_count("journal segments", stats->segments, stats->segment_bytes);
	print_ratio("images to packs", stats->logical_bytes, stats->pack_bytes);
	if (stats->depth != TMC_STATS_WALK)
		return;
	print_count("chunks", stats->chunks, stats->chunk_bytes);
	print_count("tree nodes", stats->nodes, stats->node_stored_bytes);
	print_ratio("zeros and dedup", stats->logical_bytes, stats->chunk_bytes);
	print_ratio("compression", stats->chunk_bytes, stats->chunk_stored_bytes);
	print_count("packs unneeded", stats->unneeded_packs, stats->unneeded_pack_bytes);
	printf("%-16s %12s  %10s\n", "unneeded in all", "",
	       size_text_format(stats->unneeded_bytes, size));
}

static enum exit_status show_stats(const char *repository, enum tmc_stats_depth depth, bool json)
{
	struct tmc_stats stats = {0};
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = tmc_repo_stats(repo, depth, &stats);
	if (r == 0 || (r == -EBADMSG && depth == TMC_STATS_CHEAP)) {
		if (json)
			report_json(&stats);
		else
			report_text(&stats);
	}
	fflush(stdout);
	if (r < 0)
		command_catalog_failure(r);
	tmc_repo_close(repo);
	return exit_status_of(r);
}

enum exit_status command_stats(int argc, char **argv)
{
	static const struct option options[] = {
		{"repo", required_argument, NULL, 'r'},
		{"walk", no_argument, NULL, 'w'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	enum tmc_stats_depth depth = TMC_STATS_CHEAP;
	const char *repository = NULL;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			repository = optarg;
			break;
		case 'w':
			depth = TMC_STATS_WALK;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("stats", option, argv);
		}
	}
	if (argc != optind)
		return command_usage("stats", "stats: takes no argument \"%s\"", argv[optind]);
	repository = command_repository("stats", repository);
	return repository ? show_stats(repository, depth, json) : EXIT_STATUS_USAGE;
}
