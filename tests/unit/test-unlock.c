// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Into an encrypted repository and not into it: passphrases, key slots, the
 * recovery key.
 */
#include "repo_fixture.h"

#include "catalog/id.h"
#include "catalog/repo.h"
#include "common/crc32c.h"

#undef tmc_repo_create
#undef tmc_repo_open

static struct tmc_repo *open_locked(struct fixture *fixture)
{
	struct tmc_repo_info info;
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(fixture->path, &repo));
	tmc_repo_get_info(repo, &info);
	assert_true(info.encrypted && info.locked);
	return repo;
}

static struct tmc_repo *open_with(struct fixture *fixture, const char *passphrase)
{
	struct tmc_repo *repo = open_locked(fixture);
	struct tmc_repo_info info;

	assert_success(tmc_repo_unlock(repo, passphrase));
	tmc_repo_get_info(repo, &info);
	assert_true(info.encrypted && !info.locked);
	return repo;
}

static int try_passphrase(struct fixture *fixture, const char *passphrase)
{
	struct tmc_repo *repo = open_locked(fixture);
	int ret = tmc_repo_unlock(repo, passphrase);

	tmc_repo_close(repo);
	return ret;
}

static struct tmc_repo *make_encrypted(struct fixture *fixture)
{
	struct tmc_repo_options options = {
		.chunk_bytes = 4096, .passphrase = "first", .label = "of the office",
	};

	tmc_scrypt_cost = (struct tmc_scrypt_cost){ .log2_n = 10, .r = 1, .p = 1 };
	assert_success(tmc_repo_create_with(fixture->path, &options));
	return open_with(fixture, "first");
}

/* A small backup through repo, which another handle with the passphrase has to see. */
static void check_usable(struct fixture *fixture, struct tmc_repo *repo, const char *passphrase)
{
	struct model *model = model_create(20 * 4096, 4096);
	struct tmc_repo *other = open_with(fixture, passphrase);
	struct tmc_point point;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_int_equal(extract_point(other, &point, model), EXTRACTION_EXACT);
	tmc_repo_close(other);
	model_destroy(model);
}

static void a_locked_repository_tells_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_encrypted(fixture);
	struct tmc_volume volume = { .volume_id = "v", .volume_bytes = 4096 };
	struct tmc_verify_result result;
	struct tmc_point point, *points;
	struct tmc_backup *backup;
	char text[TMC_RECOVERY_BYTES];
	size_t nr;

	check_usable(fixture, repo, "first");
	tmc_repo_close(repo);
	repo = open_locked(fixture);
	assert_int_equal(tmc_point_list(repo, &points, &nr), -ENOKEY);
	assert_int_equal(tmc_point_find(repo, "latest", NULL, &point), -ENOKEY);
	assert_int_equal(tmc_verify(repo, NULL, 1, NULL, NULL, NULL, &result), -ENOKEY);
	assert_int_equal(tmc_backup_begin(repo, &volume, NULL, 1, &backup), -ENOKEY);
	assert_int_equal(tmc_key_export(repo, text), -ENOKEY);
	assert_non_null(strstr(tmc_error_text(), "passphrase"));
	tmc_repo_close(repo);
}

static void a_wrong_passphrase_opens_nothing(void **state)
{
	struct fixture *fixture = *state;
	char text[TMC_PASSPHRASE_BYTES + 1];

	tmc_repo_close(make_encrypted(fixture));
	assert_int_equal(try_passphrase(fixture, "First"), -EKEYREJECTED);
	assert_string_equal(tmc_error_text(), "the passphrase is wrong");
	assert_int_equal(try_passphrase(fixture, "first "), -EKEYREJECTED);
	assert_int_equal(try_passphrase(fixture, ""), -EINVAL);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(try_passphrase(fixture, text), -EINVAL);
	text[sizeof(text) - 2] = '\0';
	assert_int_equal(try_passphrase(fixture, text), -EKEYREJECTED);
	assert_int_equal(try_passphrase(fixture, "first"), 0);
}

static void a_passphrase_for_what_is_not_encrypted_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo;

	assert_success(tmc_repo_create(fixture->path, 4096));
	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_int_equal(tmc_repo_unlock(repo, "first"), -EKEYREJECTED);
	tmc_repo_close(repo);
}

static size_t nr_slots(struct tmc_repo *repo, struct tmc_id *ret_first_unused)
{
	struct tmc_key *list;
	size_t nr;

	assert_success(tmc_key_list(repo, &list, &nr));
	for (size_t i = 0; i < nr; i++)
		if (!list[i].in_use)
			*ret_first_unused = list[i].id;
	free(list);
	return nr;
}

static void passphrases_come_and_go_and_data_stay(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_encrypted(fixture);
	struct tmc_id second, third, unused;
	struct tmc_key *list;
	size_t nr;

	check_usable(fixture, repo, "first");
	assert_success(tmc_key_add(repo, "second", "", &second));
	check_usable(fixture, repo, "second");
	assert_success(tmc_key_change(repo, "third", &third));
	assert_int_equal(try_passphrase(fixture, "first"), -EKEYREJECTED);
	check_usable(fixture, repo, "third");
	assert_success(tmc_key_list(repo, &list, &nr));
	assert_int_equal(nr, 2);
	for (size_t i = 0; i < nr; i++) {
		assert_false(list[i].damaged);
		assert_int_equal(list[i].in_use, tmc_id_equal(&list[i].id, &third));
		assert_string_equal(list[i].label, list[i].in_use ? "of the office" : "");
	}
	free(list);
	assert_success(tmc_key_remove(repo, &third));
	assert_int_equal(tmc_key_remove(repo, &third), -ENOENT);
	assert_int_equal(tmc_key_remove(repo, &second), -ETXTBSY);
	assert_int_equal(nr_slots(repo, &unused), 1);
	check_usable(fixture, repo, "second");
	tmc_repo_close(repo);
}

/* As is, with bytes from flip_from on changed, and with the name that fits it again. */
static void spoil_only_slot(struct fixture *fixture, size_t flip_at, bool rename_it)
{
	struct tmc_hash *hash = tmc_hash_create(NULL);
	char path[TMC_STORE_TEXT], digits[TMC_ID_TEXT];
	struct tmc_repo *repo = open_locked(fixture);
	struct tmc_id id;
	size_t bytes;
	uint8_t *data;

	assert_int_equal(nr_slots(repo, &id), 1);
	tmc_store_describe(repo->store, TMC_STORE_KEY, &id, path);
	data = read_file(path, &bytes);
	assert_int_equal(bytes, 384);
	data[flip_at] ^= 1;
	assert_success(unlink(path));
	if (rename_it) {
		struct tmc_object_header_disk header;

		memcpy(&header, data, sizeof(header));
		header.crc = put_le32(crc32c(0, &header, sizeof(header) - 4));
		memcpy(data, &header, sizeof(header));
		assert_success(tmc_hash_once(hash, data, bytes, &id));
	}
	tmc_id_format(&id, digits);
	snprintf(path, sizeof(path), "%s/keys/%s", fixture->path, digits);
	write_file(path, data, bytes);
	free(data);
	tmc_hash_destroy(hash);
	tmc_repo_close(repo);
}

static void a_damaged_slot_is_told_from_a_wrong_passphrase(void **state)
{
	struct fixture *fixture = *state;

	tmc_repo_close(make_encrypted(fixture));
	spoil_only_slot(fixture, 300, false);
	assert_int_equal(try_passphrase(fixture, "first"), -EKEYREJECTED);
	assert_non_null(strstr(tmc_error_text(), "damaged"));
	assert_non_null(strstr(tmc_error_text(), "recovery key"));
}

/* Salt, label, nonce, sealed bytes, the header's time: all are bound to the secret. */
static void a_forged_slot_opens_nothing(void **state)
{
	static const size_t places[] = { 90, 132, 150, 200, 250, 270, 300, 340 };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int ret;

		tmc_repo_close(make_encrypted(fixture));
		spoil_only_slot(fixture, places[i], true);
		ret = try_passphrase(fixture, "first");
		if (ret != -EKEYREJECTED)
			fail_msg("byte %zu: %d", places[i], ret);
		remove_tree(fixture->path);
	}
}

/* Refused before anything of that size is asked for: bit 20 of log2 N, of r. */
static void a_slot_cannot_ask_for_any_amount_of_memory(void **state)
{
	struct fixture *fixture = *state;

	tmc_repo_close(make_encrypted(fixture));
	spoil_only_slot(fixture, 129, true); /* log2_n 266 */
	assert_int_equal(try_passphrase(fixture, "first"), -EKEYREJECTED);
	assert_non_null(strstr(tmc_error_text(), "damaged"));
}

static void the_recovery_key_opens_what_has_lost_its_slots(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_encrypted(fixture);
	char text[TMC_RECOVERY_BYTES], path[128];
	struct tmc_id id;

	check_usable(fixture, repo, "first");
	assert_success(tmc_key_export(repo, text));
	tmc_repo_close(repo);
	snprintf(path, sizeof(path), "%s/keys", fixture->path);
	remove_tree(path);
	assert_success(mkdir(path, 0700));
	assert_int_equal(try_passphrase(fixture, "first"), -EKEYREJECTED);
	assert_non_null(strstr(tmc_error_text(), "no key slot"));
	repo = open_locked(fixture);
	assert_success(tmc_repo_unlock_recovery(repo, text));
	assert_int_equal(tmc_key_change(repo, "new", &id), -ENOENT);
	assert_success(tmc_key_add(repo, "new", "", &id));
	check_usable(fixture, repo, "new");
	tmc_repo_close(repo);
}

static int try_recovery(struct fixture *fixture, const char *text)
{
	struct tmc_repo *repo = open_locked(fixture);
	int ret = tmc_repo_unlock_recovery(repo, text);

	tmc_repo_close(repo);
	return ret;
}

/* Any digit; the line that has the slip is named. */
static void a_slip_in_the_recovery_key_is_found(void **state)
{
	static const char *const words[] = { "repository", "config", "key" };
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_encrypted(fixture);
	char text[TMC_RECOVERY_BYTES];
	unsigned int line = 0;

	assert_success(tmc_key_export(repo, text));
	tmc_repo_close(repo);
	for (char *p = strchr(text, '\n'); *p; p++) {
		char kept = *p, quoted[32];

		if (*p == '\n' && p[1])
			snprintf(quoted, sizeof(quoted), "\"%s\"", words[line++]);
		if (!strchr("0123456789abcdef", *p) || p[1] == 'o' || p[-1] == 'n' || p[1] == 'y' ||
		    (p[-1] >= 'g' && p[-1] <= 'z') || (p[1] >= 'g' && p[1] <= 'z'))
			continue;
		*p = kept == '7' ? '8' : '7';
		assert_int_equal(try_recovery(fixture, text), -EINVAL);
		assert_non_null(strstr(tmc_error_text(), quoted));
		*p = kept;
	}
	assert_int_equal(line, 3);
	for (char *p = text; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	assert_success(try_recovery(fixture, text));
	assert_int_equal(try_recovery(fixture, "Tidemark recovery key 1"), -EINVAL);
	assert_int_equal(try_recovery(fixture, "something else"), -EINVAL);
}

static void another_repository_s_recovery_key_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_encrypted(fixture);
	char text[TMC_RECOVERY_BYTES];

	assert_success(tmc_key_export(repo, text));
	tmc_repo_close(repo);
	remove_tree(fixture->path);
	tmc_repo_close(make_encrypted(fixture));
	assert_int_equal(try_recovery(fixture, text), -EKEYREJECTED);
	assert_non_null(strstr(tmc_error_text(), "another repository"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(a_locked_repository_tells_nothing),
		T(a_wrong_passphrase_opens_nothing),
		T(a_passphrase_for_what_is_not_encrypted_is_refused),
		T(passphrases_come_and_go_and_data_stay),
		T(a_damaged_slot_is_told_from_a_wrong_passphrase),
		T(a_forged_slot_opens_nothing),
		T(a_slot_cannot_ask_for_any_amount_of_memory),
		T(the_recovery_key_opens_what_has_lost_its_slots),
		T(a_slip_in_the_recovery_key_is_found),
		T(another_repository_s_recovery_key_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
