// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The catalog asks here for each repository that it opens, so that no verb has to
 * know of passphrases.
 */
#include "cli/unlock.h"

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/secret_input.h"
#include "common/failure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CREDENTIAL "tidemark-passphrase"

static const char *passphrase_file; /* as the options say, or NULL */
static bool file_is_chosen; /* by a verb: nothing else counts */
static bool accept_rollback;
static const char recovery_title[] = "Tidemark recovery key";

/* The file that holds the passphrase; NULL: the terminal has to be asked. */
static const char *find_file(void)
{
	static char credential[4096];
	const char *path = passphrase_file ? passphrase_file : getenv("TIDEMARK_PASSPHRASE_FILE");
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	if (file_is_chosen)
		return passphrase_file;
	if (path && *path)
		return path;
	if (!directory)
		return NULL;
	snprintf(credential, sizeof(credential), "%s/" CREDENTIAL, directory);
	return access(credential, F_OK) == 0 ? credential : NULL;
}

/* The first line: what an editor adds to the end of a file is no part of a passphrase. */
static int read_secret(const char *path, char ret_text[TMC_PASSPHRASE_BYTES])
{
	int r = secret_read_file(path, ret_text, TMC_PASSPHRASE_BYTES);

	if (r == 0 && strncmp(ret_text, recovery_title, strlen(recovery_title)) != 0)
		ret_text[strcspn(ret_text, "\r\n")] = '\0';
	return r;
}

static int get_secret(const char *repository, char ret_text[TMC_PASSPHRASE_BYTES])
{
	const char *file = find_file();
	char prompt[600];
	int r;

	if (file)
		return read_secret(file, ret_text);
	snprintf(prompt, sizeof(prompt), "Passphrase of %s: ", repository);
	r = secret_ask(prompt, ret_text, TMC_PASSPHRASE_BYTES);
	if (r == -ENOTTY)
		return failure_set(-ENOKEY, "%s is encrypted and there is no terminal to ask for its "
				   "passphrase: give a file that holds it with --passphrase-file or "
				   "in TIDEMARK_PASSPHRASE_FILE", repository);
	return r;
}

static int unlock(struct tmc_repo *repo, const char *path)
{
	char text[TMC_PASSPHRASE_BYTES];
	int r = get_secret(path, text);

	if (r == 0 && strncmp(text, recovery_title, strlen(recovery_title)) == 0)
		r = tmc_repo_unlock_recovery(repo, text);
	else if (r == 0)
		r = tmc_repo_unlock(repo, text);
	explicit_bzero(text, sizeof(text));
	return r;
}

/* What the store shows cannot be forged, but can be old. */
static int check_rollback(struct tmc_repo *repo, const struct tmc_repo_info *info,
			  const char *path)
{
	uint64_t generation = 0;
	int r = tmc_repo_get_generation(repo, &generation);
	char text[700];

	if (r == -EBADMSG) {
		snprintf(text, sizeof(text), "%s; so it cannot be told whether the repository has "
			 "been rolled back", tmc_error_text());
		command_notice(text);
		return 0;
	}
	if (r == 0 && !accept_rollback)
		r = memory_check_generation(info, path, generation);
	if (r == 0)
		memory_keep(info, generation);
	return r;
}

static void on_close(struct tmc_repo *repo)
{
	struct tmc_repo_info info;
	uint64_t generation;

	tmc_repo_get_info(repo, &info);
	if (info.encrypted && !info.locked && tmc_repo_get_generation(repo, &generation) == 0 &&
	    memory_check_generation(&info, "", generation) == 0)
		memory_keep(&info, generation);
}

static int on_open(struct tmc_repo *repo, const char *path)
{
	struct tmc_repo_info info;
	int r;

	tmc_repo_get_info(repo, &info);
	r = memory_check(&info, path);
	if (r == 0 && info.locked)
		secret_protect_process();
	if (r == 0 && (info.locked || find_file()))
		r = unlock(repo, path);
	if (r == 0 && info.encrypted)
		r = check_rollback(repo, &info, path);
	return r;
}

static void take(int *argc, char **argv, int nth, int nr)
{
	memmove(argv + nth, argv + nth + nr, (size_t)(*argc - nth - nr + 1) * sizeof(*argv));
	*argc -= nr;
}

enum exit_status unlock_init(int *argc, char **argv)
{
	static const char file_option[] = "--passphrase-file";
	size_t length = strlen(file_option);

	tmc_repo_watch(on_open, on_close);
	for (int i = 1; i < *argc && strcmp(argv[i], "--") != 0;) {
		if (strcmp(argv[i], "--accept-rollback") == 0) {
			accept_rollback = true;
			take(argc, argv, i, 1);
		} else if (strncmp(argv[i], file_option, length) == 0 && argv[i][length] == '=') {
			passphrase_file = argv[i] + length + 1;
			take(argc, argv, i, 1);
		} else if (strcmp(argv[i], file_option) == 0) {
			if (i + 1 == *argc)
				return command_usage("", "--passphrase-file: needs a value");
			passphrase_file = argv[i + 1];
			take(argc, argv, i, 2);
		} else {
			i++;
		}
	}
	return EXIT_STATUS_OK;
}

void unlock_hand_on(void)
{
	if (passphrase_file)
		setenv("TIDEMARK_PASSPHRASE_FILE", passphrase_file, 1);
}

void unlock_use_file(const char *path)
{
	passphrase_file = path;
	file_is_chosen = true;
}

static int ask_twice(char ret_passphrase[TMC_PASSPHRASE_BYTES])
{
	char again[TMC_PASSPHRASE_BYTES];
	int r = secret_ask("New passphrase: ", ret_passphrase, TMC_PASSPHRASE_BYTES);

	if (r == 0)
		r = secret_ask("Once more: ", again, sizeof(again));
	if (r == 0 && strcmp(ret_passphrase, again) != 0)
		r = failure_set(-EINVAL, "the two passphrases are not the same");
	explicit_bzero(again, sizeof(again));
	if (r == -ENOTTY)
		r = failure_set(r, "there is no terminal to ask for a passphrase: give a file that "
				"holds it");
	return r;
}

int unlock_new_passphrase(const char *path, char ret_passphrase[TMC_PASSPHRASE_BYTES])
{
	secret_protect_process();
	return path ? read_secret(path, ret_passphrase) : ask_twice(ret_passphrase);
}

int unlock_first_passphrase(char ret_passphrase[TMC_PASSPHRASE_BYTES])
{
	return unlock_new_passphrase(find_file(), ret_passphrase);
}
