// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The repository lies in memory, below FUZZ_DIR where that is set. What a sanitizer
 * tells of allocations is the same for gcc and clang.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/key_slot.h"
#include "common/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned long fuzz_accepted;
bool fuzz_encrypted;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz: %s: %s\n", what, tmc_error_text());
	abort();
}

/* ------------------------------------------------------------------------ input */

size_t fuzz_bytes(struct fuzz_input *input, void *ret_data, size_t bytes)
{
	size_t part = bytes < input->left ? bytes : input->left;

	memset(ret_data, 0, bytes);
	if (part)
		memcpy(ret_data, input->p, part);
	input->p += part;
	input->left -= part;
	return part;
}

uint8_t fuzz_u8(struct fuzz_input *input)
{
	uint8_t value;

	fuzz_bytes(input, &value, sizeof(value));
	return value;
}

uint16_t fuzz_u16(struct fuzz_input *input)
{
	le16_t value;

	fuzz_bytes(input, &value, sizeof(value));
	return get_le16(value);
}

uint64_t fuzz_u64(struct fuzz_input *input)
{
	le64_t value;

	fuzz_bytes(input, &value, sizeof(value));
	return get_le64(value);
}

/* ------------------------------------------------------------------- repository */

static char directory[200], path[220];

static void remove_repo(void)
{
	char command[260];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (system(command))
		perror(command);
}

static struct tmc_repo *make_repo(void)
{
	const struct tmc_repo_options options = {
		.chunk_bytes = TMC_CHUNK_BYTES_MIN, .passphrase = fuzz_encrypted ? "fuzz" : NULL,
	};
	const char *top = getenv("FUZZ_DIR");
	struct tmc_repo *repo;

	snprintf(directory, sizeof(directory), "%s/tidemark-fuzz.XXXXXX", top ? top : "/dev/shm");
	check(mkdtemp(directory), directory);
	atexit(remove_repo);
	snprintf(path, sizeof(path), "%s/repo", directory);
	tmc_scrypt_cost = (struct tmc_scrypt_cost){ .log2_n = 10, .r = 1, .p = 1 };
	check(!tmc_repo_create_with(path, &options), "create");
	check(!tmc_repo_open(path, &repo), "open");
	check(!fuzz_encrypted || !tmc_repo_unlock(repo, options.passphrase), "unlock");
	return repo;
}

struct tmc_repo *fuzz_repo(void)
{
	static struct tmc_repo *repo;

	if (!repo)
		repo = make_repo();
	return repo;
}

const char *fuzz_repo_path(void)
{
	fuzz_repo();
	return path;
}

struct tmc_id fuzz_hash(const void *data, size_t bytes)
{
	static struct tmc_hash *hash;
	struct tmc_id id;

	if (!hash)
		hash = tmc_hash_create(fuzz_repo()->keys);
	check(hash && !tmc_hash_once(hash, data, bytes, &id), "hash");
	return id;
}

void fuzz_repair_header(struct tmc_object_header_disk *header)
{
	header->repo_id = fuzz_repo()->info.id;
	if (fuzz_encrypted)
		header->incompat = put_le64(get_le64(header->incompat) | TMC_INCOMPAT_ENCRYPTED);
	header->crc = put_le32(crc32c(0, header, offsetof(struct tmc_object_header_disk, crc)));
}

struct tmc_aead *fuzz_aead(enum tmc_key_purpose which)
{
	struct tmc_aead *aead = fuzz_encrypted ? tmc_keys_get_aead(fuzz_repo()->keys, which) : NULL;

	check(aead || !fuzz_encrypted, "key");
	return aead;
}

size_t fuzz_seal_body(void *image, size_t bytes)
{
	size_t header_bytes = sizeof(struct tmc_object_header_disk);
	uint8_t nonce[TMC_NONCE_BYTES] = { 0 }, *body = (uint8_t *)image + header_bytes;
	struct tmc_aead *aead;

	if (!fuzz_encrypted || bytes < header_bytes)
		return bytes;
	aead = fuzz_aead(TMC_KEY_OBJECT);
	memcpy(nonce, (uint8_t *)image + offsetof(struct tmc_object_header_disk, unique),
	       TMC_UNIQUE_BYTES);
	check(!tmc_aead_seal(aead, nonce, image, header_bytes, body, bytes - header_bytes, body),
	      "seal");
	tmc_keys_put_aead(fuzz_repo()->keys, TMC_KEY_OBJECT, aead);
	return bytes + TMC_TAG_BYTES;
}

void fuzz_accept(bool is_genuine)
{
	check(is_genuine || !fuzz_encrypted, "accepted without having been sealed");
	fuzz_accepted++;
}

void fuzz_put(enum tmc_store_kind kind, const struct tmc_id *id, const void *data, size_t bytes)
{
	char name[TMC_STORE_TEXT], *slash;
	int fd;

	tmc_store_describe(fuzz_repo()->store, kind, id, name);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT) {
		slash = strrchr(name, '/');
		*slash = '\0';
		check(!mkdir(name, 0700), name);
		*slash = '/';
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	check(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes && !close(fd), name);
}

void fuzz_take(enum tmc_store_kind kind, const struct tmc_id *id)
{
	char name[TMC_STORE_TEXT];

	tmc_store_describe(fuzz_repo()->store, kind, id, name);
	check(!unlink(name), name);
}

/* ----------------------------------------------------------------------- memory */

/* In every sanitizer's runtime; gcc has no header for them. */
int __sanitizer_install_malloc_and_free_hooks(void (*note_malloc)(const volatile void *, size_t),
					      void (*note_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *data);

static _Atomic long long live_bytes;
static atomic_bool is_watched;
static long long limit_bytes;

static void note_malloc(const volatile void *data, size_t bytes)
{
	if (!is_watched)
		return;
	live_bytes += (long long)bytes;
	if (live_bytes <= limit_bytes)
		return;
	is_watched = false;
	fprintf(stderr, "fuzz: %lld bytes are allocated, twice the declared cap is %lld\n",
		live_bytes, limit_bytes);
	abort();
}

static void note_free(const volatile void *data)
{
	if (is_watched && data)
		live_bytes -= (long long)__sanitizer_get_allocated_size(data);
}

void fuzz_memory_begin(size_t cap_bytes)
{
	static bool is_hooked;

	if (!is_hooked)
		check(__sanitizer_install_malloc_and_free_hooks(note_malloc, note_free), "hooks");
	is_hooked = true;
	live_bytes = 0;
	limit_bytes = 2 * (long long)cap_bytes;
	is_watched = true;
}

void fuzz_memory_end(void)
{
	is_watched = false;
}
