// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark VERB ...: finds the verb and starts it.
 */
#include "cli/command.h"
#include "cli/unlock.h"

#include <stdio.h>
#include <string.h>

struct verb {
	const char *name;
	enum exit_status (*run)(int argc, char **argv);
	const char *summary;
};

static const struct verb verbs[] = {
	{"init", command_init, "make a repository"},
	{"attach", command_attach, "begin to track the writes to a block device"},
	{"backup", command_backup, "store a restore point of an attached device"},
	{"points", command_points, "list the restore points of a repository"},
	{"copy", command_copy, "copy restore points to another repository"},
	{"tag", command_tag, "give a restore point tags and a note"},
	{"stats", command_stats, "tell what a repository holds and how well it shrinks"},
	{"diff", command_diff, "tell where two restore points differ"},
	{"restore", command_restore, "put a restore point on a device or into a file"},
	{"log", command_log, "tell which instants of a volume can be restored"},
	{"mark", command_mark, "give this instant of a device a name"},
	{"mount", command_mount, "look into a restore point"},
	{"umount", command_umount, "unmount a restore point"},
	{"verify", command_verify, "prove that restore points can be restored"},
	{"repair", command_repair, "make usable what is left of a damaged repository"},
	{"prune", command_prune, "let old restore points go by rules, and free their space"},
	{"forget", command_forget, "give single restore points up"},
	{"key", command_key, "the passphrases of an encrypted repository"},
	{"job", command_job, "run, cancel, pause or resume what is done on a schedule"},
	{"status", command_status, "tell what is protected and attached, and if all is well"},
	{"detach", command_detach, "stop tracking a device"},
};

static void print_help(void)
{
	puts("Usage: tidemark VERB [OPTION]... [ARGUMENT]...\n"
	     "Incremental backups of Linux block devices while they are mounted and in use.\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		printf("  %-9s %s\n", verbs[i].name, verbs[i].summary);
	puts("\nA first backup and a restore, as root:\n"
	     "  tidemark init /backup/repo\n"
	     "  tidemark attach /dev/vdb\n"
	     "  tidemark backup /dev/vdb -r /backup/repo\n"
	     "  tidemark restore latest /tmp/vdb.img -r /backup/repo\n\n"
	     "Later backups of /dev/vdb read only what was written since, as long as it stays\n"
	     "attached. The repository must lie on another disk; TIDEMARK_REPOSITORY in the\n"
	     "environment stands in for -r.\n\n"
	     "  tidemark VERB --help   what a verb does, its options, an example\n"
	     "  tidemark --version\n\n"
	     "Exit status: 0 done, 1 failed, 2 usage, 3 refused for safety, 4 not found,\n"
	     "5 damage found, 6 kernel module, permission or key, 7 busy, 8 no space.");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	enum exit_status status;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_help();
		return command_finish_output(EXIT_STATUS_OK);
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		puts("tidemark " TIDEMARK_VERSION);
		return command_finish_output(EXIT_STATUS_OK);
	}
	status = unlock_init(&argc, argv);
	if (status != EXIT_STATUS_OK)
		return status;
	name = argc > 1 ? argv[1] : "";
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(name, verbs[i].name) == 0)
			return command_finish_output(verbs[i].run(argc - 1, argv + 1));
	if (!*name)
		return command_usage("", "no verb given");
	return command_usage("", "%s: no such %s", name, name[0] == '-' ? "option" : "verb");
}
