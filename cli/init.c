// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark init: an empty repository.
 */
#include "cli/command.h"
#include "cli/unlock.h"
#include "common/size_text.h"

#include <stdio.h>
#include <string.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark init REPO [--encrypt] [--chunk-size SIZE]\n"
	"                     [--compression METHOD[:LEVEL]]\n"
	"Make a repository in the directory REPO, which must be empty or not exist yet.\n"
	"Put it on another disk than the devices it will protect. Several devices and\n"
	"several hosts' backups can share one repository; equal content is stored once.\n\n"
	"      --chunk-size SIZE  unit of tracking and deduplication, a power of two from\n"
	"                         4K to 1M (default 64K). Smaller chunks store less for\n"
	"                         scattered small writes, as of databases; larger ones\n"
	"                         need less memory and are faster.\n"
	"      --compression M    lz4 (default), none, lz4hc[:1-12] (usually 9) or zstd[:1-19]\n"
	"                         (usually 3), for backups that choose no other. lz4hc costs\n"
	"                         time at backups alone, zstd at restores as well.\n"
	"      --encrypt          encrypt everything with a passphrase, asked for twice or\n"
	"                         taken from --passphrase-file FILE. Who has lost it has\n"
	"                         lost the backups: see \"tidemark key --help\".\n"
	"      --label TEXT       whose passphrase it is; anybody can read it\n"
	"  -h, --help             this text\n\n"
	"Example: tidemark init /backup/repo";

enum exit_status command_init(int argc, char **argv)
{
	static const struct option options[] = {
		{"chunk-size", required_argument, NULL, 'c'},
		{"compression", required_argument, NULL, 'C'},
		{"encrypt", no_argument, NULL, 'e'},
		{"label", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct tmc_repo_options repo_options = {0};
	uint64_t chunk_bytes = TMC_CHUNK_BYTES_DEFAULT;
	char passphrase[TMC_PASSPHRASE_BYTES], size[SIZE_TEXT_BYTES];
	bool encrypt = false;
	enum exit_status status;
	int option;
	int r;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			status = command_size("init", "--chunk-size", optarg, COMMAND_SIZE_CHUNK,
					      &chunk_bytes);
			if (status != EXIT_STATUS_OK)
				return status;
			break;
		case 'C':
			status = command_compression("init", optarg, &repo_options.compression);
			if (status != EXIT_STATUS_OK)
				return status;
			break;
		case 'e':
			encrypt = true;
			break;
		case 'l':
			repo_options.label = optarg;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("init", option, argv);
		}
	}
	if (argc - optind != 1)
		return command_usage("init", "init: give one directory for the repository");
	repo_options.chunk_bytes = (uint32_t)chunk_bytes;
	r = encrypt ? unlock_first_passphrase(passphrase) : 0;
	if (r < 0)
		return command_failure(r);
	repo_options.passphrase = encrypt ? passphrase : NULL;
	r = tmc_repo_create_with(argv[optind], &repo_options);
	explicit_bzero(passphrase, sizeof(passphrase));
	if (r < 0)
		return command_catalog_failure(r);
	printf("%s %s made, chunks of %s\n", encrypt ? "encrypted repository" : "repository",
	       argv[optind], size_text_exact(chunk_bytes, size));
	if (encrypt)
		command_notice("without its passphrase the repository cannot be read by anybody: "
			       "\"tidemark key export\" makes a recovery key to be locked away");
	return EXIT_STATUS_OK;
}
