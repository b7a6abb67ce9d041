// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark key: the passphrases of an encrypted repository, and its recovery key.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/unlock.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <tidemark.h>
#include <time.h>

static const char help[] =
	"Usage: tidemark key list [-r REPO]\n"
	"       tidemark key add [--label TEXT] [-r REPO]\n"
	"       tidemark key change [-r REPO]\n"
	"       tidemark key remove SLOT [-r REPO]\n"
	"       tidemark key export [FILE] [-r REPO]\n"
	"       tidemark key import FILE [--label TEXT] [-r REPO]\n"
	"Each key slot of an encrypted repository holds one passphrase that opens it. No\n"
	"stored data changes with them: a passphrase that was removed still opens older\n"
	"copies of the repository's keys/. The last slot cannot be removed.\n\n"
	"export writes the recovery key, a text of four lines that opens the repository\n"
	"without any slot; print it and lock it away. import opens the repository with\n"
	"such a text and adds a slot. SLOT: the first digits of its id.\n\n"
	"  -r, --repo REPO                 the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --new-passphrase-file FILE  holds the new passphrase (add, change, import)\n"
	"      --label TEXT                whose passphrase it is; anybody can read it\n"
	"      --json                      list: report JSON\n"
	"  -h, --help                      this text\n\n"
	"Example: tidemark key add --label \"spare, in the safe\" -r /backup/repo";

struct key_options {
	const char *repository;
	const char *new_file;
	const char *label;
	const char *argument;
	bool json;
};

static void print_key(const struct tmc_key *key)
{
	char id[TMC_ID_TEXT], when[32] = "";
	time_t seconds = (time_t)(key->created_ns / 1000000000u);
	struct tm local;

	if (!key->damaged && localtime_r(&seconds, &local))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	tmc_id_format(&key->id, id);
	printf("%.12s  %-19s  %-7s  ", id, when, key->damaged ? "damaged" : key->in_use ? "in use" : "");
	for (const char *c = key->label; *c; c++)
		putchar((unsigned char)*c < ' ' || *c == 127 ? '?' : *c);
	putchar('\n');
}

static void add_json(struct json_object *array, const struct tmc_key *key)
{
	struct json_object *object = json_object_new_object();
	char id[TMC_ID_TEXT];

	tmc_id_format(&key->id, id);
	json_add_text(object, "id", id);
	json_add_number(object, "created_ns", key->created_ns);
	json_add_text(object, "label", key->label);
	json_add_bool(object, "damaged", key->damaged);
	json_add_bool(object, "in_use", key->in_use);
	json_object_array_add(array, object);
}

static int list(struct tmc_repo *repo, const struct key_options *options)
{
	CLEANUP_FREE struct tmc_key *keys = NULL;
	struct json_object *array;
	size_t nr;
	int r = tmc_key_list(repo, &keys, &nr);

	if (r < 0)
		return r;
	if (options->json) {
		array = json_object_new_array();
		for (size_t i = 0; i < nr; i++)
			add_json(array, &keys[i]);
		json_print(array);
		return 0;
	}
	printf("%-12s  %-19s  %-7s  %s\n", "SLOT", "MADE", "", "LABEL");
	for (size_t i = 0; i < nr; i++)
		print_key(&keys[i]);
	return 0;
}

static int add(struct tmc_repo *repo, const struct key_options *options)
{
	char passphrase[TMC_PASSPHRASE_BYTES], digits[TMC_ID_TEXT];
	struct tmc_id id;
	int r = unlock_new_passphrase(options->new_file, passphrase);

	if (r == 0)
		r = tmc_key_add(repo, passphrase, options->label, &id);
	explicit_bzero(passphrase, sizeof(passphrase));
	if (r < 0)
		return r;
	tmc_id_format(&id, digits);
	printf("key slot %.12s added\n", digits);
	return 0;
}

static int change(struct tmc_repo *repo, const struct key_options *options)
{
	char passphrase[TMC_PASSPHRASE_BYTES], digits[TMC_ID_TEXT];
	struct tmc_id id;
	int r = unlock_new_passphrase(options->new_file, passphrase);

	if (r == 0)
		r = tmc_key_change(repo, passphrase, &id);
	explicit_bzero(passphrase, sizeof(passphrase));
	if (r < 0)
		return r;
	tmc_id_format(&id, digits);
	printf("passphrase changed, key slot %.12s\n", digits);
	return 0;
}

static int find_slot(struct tmc_repo *repo, const char *digits, struct tmc_id *ret_id)
{
	CLEANUP_FREE struct tmc_key *keys = NULL;
	size_t nr, nr_found = 0;
	int r = tmc_key_list(repo, &keys, &nr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < nr; i++) {
		char id[TMC_ID_TEXT];

		tmc_id_format(&keys[i].id, id);
		if (strncmp(id, digits, strlen(digits)) != 0)
			continue;
		*ret_id = keys[i].id;
		nr_found++;
	}
	if (nr_found > 1)
		return failure_set(-ENOTUNIQ, "several key slots begin with %s: give more digits",
				   digits);
	return nr_found ? 0 : failure_set(-ENOENT, "there is no key slot %s", digits);
}

static int remove_slot(struct tmc_repo *repo, const struct key_options *options)
{
	struct tmc_id id;
	int r = find_slot(repo, options->argument, &id);

	if (r == 0)
		r = tmc_key_remove(repo, &id);
	if (r == 0)
		puts("key slot removed");
	return r;
}

/* A file is new, and readable for its owner alone. */
static int export(struct tmc_repo *repo, const struct key_options *options)
{
	CLEANUP_CLOSE int fd = -1;
	char text[TMC_RECOVERY_BYTES];
	int r = tmc_key_export(repo, text);

	if (r == 0 && options->argument) {
		fd = open(options->argument, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			r = failure_set(-errno, "cannot make %s: %s", options->argument,
					strerror(errno));
	}
	if (r == 0 && dprintf(fd < 0 ? STDOUT_FILENO : fd, "%s", text) < 0)
		r = failure_set(-errno, "cannot write the recovery key: %s", strerror(errno));
	if (r == 0 && fd >= 0 && fsync(fd) < 0)
		r = failure_set(-errno, "cannot sync %s: %s", options->argument, strerror(errno));
	explicit_bzero(text, sizeof(text));
	return r;
}

static const struct action {
	const char *name;
	int (*run)(struct tmc_repo *repo, const struct key_options *options);
	int nr_arguments_min, nr_arguments_max;
} actions[] = {
	{"list", list, 0, 0},
	{"add", add, 0, 0},
	{"change", change, 0, 0},
	{"remove", remove_slot, 1, 1},
	{"export", export, 0, 1},
	{"import", add, 1, 1},
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

static enum exit_status run(const struct action *action, const struct key_options *options)
{
	struct tmc_repo *repo;
	int r;

	if (strcmp(action->name, "import") == 0)
		unlock_use_file(options->argument);
	r = tmc_repo_open(options->repository, &repo);
	if (r < 0)
		return command_catalog_failure(r);
	r = action->run(repo, options);
	if (r < 0)
		command_failure(r);
	tmc_repo_close(repo);
	return exit_status_of(r);
}

enum exit_status command_key(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"repo", required_argument, NULL, 'r'},
		{"new-passphrase-file", required_argument, NULL, 'n'},
		{"label", required_argument, NULL, 'l'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct key_options options = { .label = "" };
	const struct action *action;
	int option, nr;

	while ((option = getopt_long(argc, argv, ":r:h", long_options, NULL)) != -1) {
		switch (option) {
		case 'r':
			options.repository = optarg;
			break;
		case 'n':
			options.new_file = optarg;
			break;
		case 'l':
			options.label = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("key", option, argv);
		}
	}
	action = argc > optind ? find_action(argv[optind]) : NULL;
	if (!action)
		return command_usage("key", "key: say what: list, add, change, remove, export or "
				     "import");
	nr = argc - optind - 1;
	if (nr < action->nr_arguments_min || nr > action->nr_arguments_max)
		return command_usage("key", "key %s: %s", action->name,
				     nr < action->nr_arguments_min ? "one argument is missing" :
				     "too many arguments");
	options.argument = nr ? argv[optind + 1] : NULL;
	options.repository = command_repository("key", options.repository);
	return options.repository ? run(action, &options) : EXIT_STATUS_USAGE;
}
