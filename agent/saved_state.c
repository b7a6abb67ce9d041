// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A file's name is the digest of its volume's id, which may hold any character. The id
 * itself is in the file, and compared.
 *
 * Writing: the old file goes, durably; the new one is written under another name and synced,
 * gets its name, and the directory is synced. A power cut in between leaves none, or a whole
 * one: never the one of before.
 */
#include "agent/saved_state.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/hex.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>
#include <uapi/tidemark.h>

#define NAME_BYTES  (2 * 16 + sizeof(".state"))
#define HEAD_BYTES  sizeof(struct saved_state_disk)
#define RUN_BYTES   sizeof(struct saved_run_disk)
#define DRAFT       "draft"

static void name_of(const char *volume_id, char ret_name[NAME_BYTES])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)volume_id, strlen(volume_id), digest);
	hex_format(digest, 16, ret_name);
	strcat(ret_name, ".state");
}

static int failure(int error, const char *directory, const char *what)
{
	return failure_set(error, "%s: cannot %s: %s", directory, what, strerror(-error));
}

void saved_state_clear(struct saved_state *state)
{
	chunk_runs_clear(&state->dirty);
	*state = (struct saved_state){0};
}

/* ------------------------------------------------------------------------ directory */

static int sync_parent(const char *path)
{
	CLEANUP_CLOSE int fd = -1;
	char parent[PATH_MAX];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = '\0';
	fd = io_open(AT_FDCWD, slash ? parent : ".", O_RDONLY | O_DIRECTORY);
	return fd < 0 ? fd : io_sync(fd);
}

/* A directory whose name is not durable takes its files along. */
static int make_directory(const char *path)
{
	int r = io_mkdir(AT_FDCWD, path);

	if (r == -EEXIST)
		return 0;
	return r < 0 ? r : sync_parent(path);
}

static int make_directories(const char *directory)
{
	char path[PATH_MAX];
	int r = 0;

	if (snprintf(path, sizeof(path), "%s", directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (char *slash = strchr(path + 1, '/'); r == 0 && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make_directory(path);
		*slash = '/';
	}
	return r < 0 ? r : make_directory(path);
}

static int open_directory(const char *directory)
{
	return io_open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
}

bool saved_state_any(const char *directory)
{
	CLEANUP_CLOSEDIR DIR *dir = opendir(directory);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strstr(entry->d_name, ".state"))
			return true;
	return false;
}

static int remove_in(int dir_fd, const char *name)
{
	int r = io_unlink(dir_fd, name);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : io_sync(dir_fd);
}

int saved_state_remove(const char *directory, const char *volume_id)
{
	CLEANUP_CLOSE int dir_fd = open_directory(directory);
	char name[NAME_BYTES];
	int r;

	if (dir_fd == -ENOENT)
		return 0;
	name_of(volume_id, name);
	r = dir_fd < 0 ? dir_fd : remove_in(dir_fd, name);
	return r < 0 ? failure(r, directory, "remove what was saved of this volume") : 0;
}

/* -------------------------------------------------------------------------- writing */

static size_t file_bytes(size_t nr_runs)
{
	return HEAD_BYTES + nr_runs * RUN_BYTES + SHA256_DIGEST_LENGTH;
}

static void encode(const struct saved_state *state, uint8_t *to)
{
	struct saved_state_disk head = {
		.version = put_le32(SAVED_STATE_VERSION),
		.chunk_bytes = put_le32(state->chunk_bytes),
		.volume_bytes = put_le64(state->volume_bytes),
		.nr_chunks = put_le64(state->nr_chunks),
		.nr_runs = put_le64(state->dirty.nr),
		.proof_kind = put_le32(state->proof.kind),
	};
	uint8_t *at = to + HEAD_BYTES;

	memcpy(head.magic, SAVED_STATE_MAGIC, sizeof(head.magic));
	memcpy(head.proof, state->proof.digest, sizeof(head.proof));
	memcpy(head.base, state->base, sizeof(head.base));
	snprintf(head.volume_id, sizeof(head.volume_id), "%s", state->volume_id);
	memcpy(to, &head, sizeof(head));
	for (size_t i = 0; i < state->dirty.nr; i++, at += RUN_BYTES) {
		struct saved_run_disk run = {
			.first_chunk = put_le64(state->dirty.runs[i].first_chunk),
			.nr_chunks = put_le64(state->dirty.runs[i].nr_chunks),
		};

		memcpy(at, &run, sizeof(run));
	}
	SHA256(to, (size_t)(at - to), at);
}

static int write_draft(int dir_fd, const uint8_t *data, size_t bytes)
{
	CLEANUP_CLOSE int fd = io_open(dir_fd, DRAFT, O_WRONLY | O_CREAT | O_TRUNC);
	int r = fd < 0 ? fd : io_write_full(fd, data, bytes, 0);

	return r < 0 ? r : io_sync(fd);
}

static int write_in(int dir_fd, const char *name, const uint8_t *data, size_t bytes)
{
	int r = remove_in(dir_fd, name);

	if (r == 0)
		r = write_draft(dir_fd, data, bytes);
	if (r == 0)
		r = io_rename_new(dir_fd, DRAFT, dir_fd, name);
	return r < 0 ? r : io_sync(dir_fd);
}

int saved_state_write(const char *directory, const struct saved_state *state)
{
	size_t bytes = file_bytes(state->dirty.nr);
	CLEANUP_FREE uint8_t *data = malloc(bytes);
	CLEANUP_CLOSE int dir_fd = -1;
	char name[NAME_BYTES];
	int r = data ? make_directories(directory) : -ENOMEM;

	if (r < 0)
		return failure(r, directory, "save what is dirty");
	encode(state, data);
	name_of(state->volume_id, name);
	r = dir_fd = open_directory(directory);
	if (r >= 0)
		r = write_in(dir_fd, name, data, bytes);
	return r < 0 ? failure(r, directory, "save what is dirty") : 0;
}

/* -------------------------------------------------------------------------- reading */

static bool sizes_make_sense(const struct saved_state *state)
{
	uint32_t chunk = state->chunk_bytes;

	return chunk >= TIDEMARK_CHUNK_BYTES_MIN && chunk <= TIDEMARK_CHUNK_BYTES_MAX &&
	       !(chunk & (chunk - 1)) && state->volume_bytes &&
	       state->nr_chunks == (state->volume_bytes - 1) / chunk + 1;
}

static bool head_makes_sense(const struct saved_state_disk *head, const struct saved_state *state)
{
	static const uint8_t none[ATTACHMENT_BASE_BYTES];

	return get_le32(head->zero) == 0 && state->proof.kind != PROOF_NONE &&
	       memcmp(head->base, none, sizeof(none)) != 0 &&
	       head->volume_id[sizeof(head->volume_id) - 1] == '\0' && sizes_make_sense(state);
}

static void decode_head(const struct saved_state_disk *head, struct saved_state *state)
{
	state->chunk_bytes = get_le32(head->chunk_bytes);
	state->volume_bytes = get_le64(head->volume_bytes);
	state->nr_chunks = get_le64(head->nr_chunks);
	state->proof.kind = get_le32(head->proof_kind);
	memcpy(state->proof.digest, head->proof, sizeof(head->proof));
	memcpy(state->base, head->base, sizeof(head->base));
	memcpy(state->volume_id, head->volume_id, sizeof(head->volume_id));
}

/* from: the first chunk that the run may have. */
static bool run_makes_sense(const struct chunk_run *run, uint64_t from, uint64_t nr_chunks)
{
	return run->nr_chunks && run->first_chunk >= from && run->first_chunk < nr_chunks &&
	       run->nr_chunks <= nr_chunks - run->first_chunk;
}

static int decode_runs(const uint8_t *at, uint64_t nr_runs, struct saved_state *state)
{
	uint64_t from = 0;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < nr_runs; i++, at += RUN_BYTES) {
		struct saved_run_disk raw;
		struct chunk_run run;

		memcpy(&raw, at, sizeof(raw));
		run = (struct chunk_run){get_le64(raw.first_chunk), get_le64(raw.nr_chunks)};
		if (!run_makes_sense(&run, from, state->nr_chunks))
			return -EBADMSG;
		from = run.first_chunk + run.nr_chunks + 1;
		r = chunk_runs_add(&state->dirty, run.first_chunk, run.nr_chunks);
	}
	return r;
}

static bool is_whole(const uint8_t *data, size_t bytes)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256(data, bytes - sizeof(digest), digest);
	return memcmp(digest, data + bytes - sizeof(digest), sizeof(digest)) == 0;
}

/* bytes: at least those of a file without runs. */
static int decode(const uint8_t *data, size_t bytes, struct saved_state *state)
{
	struct saved_state_disk head;
	uint64_t nr_runs;

	memcpy(&head, data, sizeof(head));
	nr_runs = get_le64(head.nr_runs);
	if (memcmp(head.magic, SAVED_STATE_MAGIC, sizeof(head.magic)) != 0 ||
	    get_le32(head.version) != SAVED_STATE_VERSION)
		return -EPROTONOSUPPORT;
	if (nr_runs > CHUNK_RUNS_MAX || bytes != file_bytes((size_t)nr_runs) ||
	    !is_whole(data, bytes))
		return -EBADMSG;
	decode_head(&head, state);
	if (!head_makes_sense(&head, state))
		return -EBADMSG;
	return decode_runs(data + HEAD_BYTES, nr_runs, state);
}

static int read_file(int dir_fd, const char *name, struct saved_state *state)
{
	CLEANUP_CLOSE int fd = io_open(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	CLEANUP_FREE uint8_t *data = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)file_bytes(0) ||
	    st.st_size > (off_t)file_bytes(CHUNK_RUNS_MAX))
		return -EBADMSG;
	data = malloc((size_t)st.st_size);
	if (!data)
		return -ENOMEM;
	r = io_read_full(fd, data, (size_t)st.st_size, 0);
	if (r == -ENODATA)
		return -EBADMSG;
	return r < 0 ? r : decode(data, (size_t)st.st_size, state);
}

int saved_state_read(const char *directory, const char *volume_id, struct saved_state *ret_state)
{
	CLEANUP_CLOSE int dir_fd = open_directory(directory);
	char name[NAME_BYTES];
	int r;

	*ret_state = (struct saved_state){0};
	name_of(volume_id, name);
	r = dir_fd < 0 ? dir_fd : read_file(dir_fd, name, ret_state);
	if (r == 0 && strcmp(ret_state->volume_id, volume_id) != 0)
		r = -EBADMSG;
	if (r == -ENOENT)
		return failure_set(r, "nothing was saved of it");
	if (r == -EPROTONOSUPPORT)
		return failure_set(-EBADMSG, "what was saved of it is of another version of tidemark");
	if (r == -EBADMSG || r == -ELOOP)
		return failure_set(-EBADMSG, "what was saved of it is damaged");
	return r < 0 ? failure(r, directory, "read what was saved") : 0;
}
