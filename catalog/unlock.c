// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Into an encrypted repository, by a passphrase or by the recovery key, and its
 * key slots. Whichever way: the digest of config that came with the master key has
 * to be that of the config that was read.
 */
#include "catalog/id.h"
#include "catalog/key_slot.h"
#include "catalog/recovery.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int use_secret(struct tmc_repo *repo, const struct tmc_slot_secret *secret)
{
	char text[TMC_STORE_TEXT];

	if (!tmc_id_equal(&secret->config_digest, &repo->config_digest))
		return failure_set(-EBADMSG, "%s has been changed since the repository was made: "
				   "it is not the one that belongs to this key",
				   tmc_store_describe(repo->store, TMC_STORE_CONFIG, NULL, text));
	return tmc_keys_unlock(repo->keys, secret->master);
}

/* Whoever has a passphrase for it expects that nobody else can read it. */
static int not_encrypted(void)
{
	return failure_set(-EKEYREJECTED, "the repository is not encrypted, but a passphrase was "
			   "given for it: it is another one, or somebody has changed it");
}

struct tries {
	size_t nr_rejected; /* whole slots that the passphrase does not open */
	size_t nr_damaged;
};

/* 0: this one; 1: another one, perhaps. */
static int try_slot(struct tmc_repo *repo, const struct tmc_id *id, const char *passphrase,
		    struct tries *tries)
{
	struct tmc_slot_secret secret;
	struct tmc_key_slot_disk disk;
	int ret = tmc_key_slot_load(repo->store, repo->keys, id, &disk);

	if (ret == -EBADMSG || ret == -ENOENT) {
		tries->nr_damaged += ret == -EBADMSG;
		return 1;
	}
	if (!ret)
		ret = tmc_key_slot_open(&disk, passphrase, &secret);
	if (ret == -EKEYREJECTED) {
		tries->nr_rejected++;
		return 1;
	}
	if (ret < 0)
		return ret;
	ret = use_secret(repo, &secret);
	tmc_slot_secret_wipe(&secret);
	repo->slot = *id;
	return ret;
}

int tmc_repo_unlock(struct tmc_repo *repo, const char *passphrase)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	struct tries tries = { 0 };
	size_t nr = 0;
	int ret;

	if (!tmc_keys_is_encrypted(repo->keys))
		return not_encrypted();
	if (!tmc_keys_check(repo->keys))
		return 0;
	ret = tmc_passphrase_check(passphrase);
	if (!ret)
		ret = tmc_store_list(repo->store, TMC_STORE_KEY, &ids, &nr);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr; i++) {
		ret = try_slot(repo, &ids[i], passphrase, &tries);
		if (ret <= 0)
			return ret;
	}
	if (tries.nr_damaged)
		return failure_set(-EKEYREJECTED, "the passphrase opens none of the repository's key "
				   "slots, but %zu of them are damaged: it may be right all the "
				   "same; the recovery key opens the repository without them",
				   tries.nr_damaged);
	if (!tries.nr_rejected)
		return failure_set(-EKEYREJECTED, "the repository has no key slot left: only its "
				   "recovery key opens it");
	return failure_set(-EKEYREJECTED, "the passphrase is wrong");
}

int tmc_repo_unlock_recovery(struct tmc_repo *repo, const char *text)
{
	struct tmc_slot_secret secret;
	struct tmc_id repo_id;
	int ret;

	if (!tmc_keys_is_encrypted(repo->keys))
		return not_encrypted();
	if (!tmc_keys_check(repo->keys))
		return 0;
	ret = tmc_recovery_parse(text, &repo_id, &secret);
	if (!ret && !tmc_id_equal(&repo_id, &repo->info.id))
		ret = failure_set(-EKEYREJECTED, "the recovery key is of another repository");
	if (!ret)
		ret = use_secret(repo, &secret);
	tmc_slot_secret_wipe(&secret);
	return ret;
}

/* ----------------------------------------------------------------------- slots */

static int check_unlocked(const struct tmc_repo *repo)
{
	if (!tmc_keys_is_encrypted(repo->keys))
		return failure_set(-EINVAL, "the repository is not encrypted: it has no keys");
	return tmc_keys_check(repo->keys);
}

static void get_secret(const struct tmc_repo *repo, struct tmc_slot_secret *ret_secret)
{
	memcpy(ret_secret->master, tmc_keys_master(repo->keys), sizeof(ret_secret->master));
	ret_secret->config_digest = repo->config_digest;
}

int tmc_key_export(struct tmc_repo *repo, char ret_text[TMC_RECOVERY_BYTES])
{
	struct tmc_slot_secret secret;
	int ret = check_unlocked(repo);

	if (ret < 0)
		return ret;
	get_secret(repo, &secret);
	tmc_recovery_format(&repo->info.id, &secret, ret_text);
	tmc_slot_secret_wipe(&secret);
	return 0;
}

int tmc_key_add(struct tmc_repo *repo, const char *passphrase, const char *label,
		struct tmc_id *ret_id)
{
	struct tmc_slot_secret secret;
	int ret = check_unlocked(repo);

	if (ret < 0)
		return ret;
	get_secret(repo, &secret);
	ret = tmc_key_slot_store(repo->store, repo->keys, passphrase, label, &secret, ret_id);
	tmc_slot_secret_wipe(&secret);
	return ret;
}

int tmc_key_list(struct tmc_repo *repo, struct tmc_key **ret_list, size_t *ret_nr)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	struct tmc_key *list;
	size_t nr = 0;
	int ret = 0;

	if (!tmc_keys_is_encrypted(repo->keys))
		return failure_set(-EINVAL, "the repository is not encrypted: it has no keys");
	ret = tmc_store_list(repo->store, TMC_STORE_KEY, &ids, &nr);
	if (ret < 0)
		return ret;
	list = calloc(nr + 1, sizeof(*list));
	if (!list)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		struct tmc_key_slot_disk disk;

		list[i].id = ids[i];
		list[i].in_use = tmc_id_equal(&ids[i], &repo->slot);
		list[i].damaged = tmc_key_slot_load(repo->store, repo->keys, &ids[i], &disk) < 0;
		if (list[i].damaged)
			continue;
		list[i].created_ns = get_le64(disk.header.begun_ns);
		memcpy(list[i].label, disk.label, sizeof(disk.label));
	}
	*ret_list = list;
	*ret_nr = nr;
	return 0;
}

static int remove_slot(struct tmc_repo *repo, const struct tmc_id *id)
{
	int ret = tmc_store_remove(repo->store, TMC_STORE_KEY, id);

	return ret ? ret : tmc_store_sync(repo->store, TMC_STORE_KEY);
}

int tmc_key_remove(struct tmc_repo *repo, const struct tmc_id *id)
{
	CLEANUP_FREE struct tmc_key *list = NULL;
	size_t nr, nr_whole = 0;
	bool found = false;
	int ret = check_unlocked(repo);

	if (!ret)
		ret = tmc_key_list(repo, &list, &nr);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr; i++) {
		bool same = tmc_id_equal(&list[i].id, id);

		found |= same;
		nr_whole += !same && !list[i].damaged;
	}
	if (!found)
		return failure_set(-ENOENT, "there is no such key slot");
	if (!nr_whole)
		return failure_set(-ETXTBSY, "this is the last key slot: add another one before it "
				   "goes");
	return remove_slot(repo, id);
}

int tmc_key_change(struct tmc_repo *repo, const char *passphrase, struct tmc_id *ret_id)
{
	char label[TMC_KEY_LABEL_BYTES] = "";
	struct tmc_key_slot_disk disk;
	int ret = check_unlocked(repo);

	if (ret < 0)
		return ret;
	if (tmc_id_equal(&repo->slot, &tmc_id_zero))
		return failure_set(-ENOENT, "no passphrase opened the repository, but its recovery "
				   "key: there is nothing to change; add a key slot");
	ret = tmc_key_slot_load(repo->store, repo->keys, &repo->slot, &disk);
	if (ret < 0)
		return ret;
	memcpy(label, disk.label, sizeof(disk.label));
	ret = tmc_key_add(repo, passphrase, label, ret_id);
	if (!ret)
		ret = remove_slot(repo, &repo->slot);
	if (!ret)
		repo->slot = *ret_id;
	return ret;
}
