// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The store as a directory. Drafts lie in the session's directory: where somebody
 * has broken the session, they cannot get a name any more (docs/repository.md, 4).
 *
 * A failed fsync is returned and never tried again: the kernel may have dropped
 * the dirty pages and would report success the second time.
 */
#include "catalog/store_dir.h"

#include "catalog/id.h"
#include "catalog/session.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#define NAME_BYTES   160
#define DIRECT_BYTES 4096
#define ASIDE_NAMES  100 /* of one name */

struct tmc_store {
	int root_fd;
	char path[256];
	atomic_uint nr_drafts;
	atomic_uint made_kinds; /* bits: their directories have been synced by us */
	pthread_mutex_t lock; /* making the session; then it is constant */
	struct tmc_session *_Atomic session;
};

struct tmc_draft {
	struct tmc_store *store;
	int fd;
	bool direct; /* O_DIRECT is set */
	uint64_t bytes;
	char name[NAME_BYTES];
};

struct tmc_store_hooks tmc_store_hooks;

static const char *const kind_directories[] = {
	[TMC_STORE_CONFIG] = ".",
	[TMC_STORE_PACK] = "packs",
	[TMC_STORE_INDEX] = "index",
	[TMC_STORE_POINT] = "points",
	[TMC_STORE_DOOM] = "doom",
	[TMC_STORE_LEDGER] = "ledger",
	[TMC_STORE_NOTE] = "notes",
	[TMC_STORE_ASIDE_POINT] = "aside",
	[TMC_STORE_KEY] = "keys",
	[TMC_STORE_JOURNAL] = "journal",
};

static const char *const directories[] = { "packs", "index", "points", "sessions" };

int tmc_store_error(const struct tmc_store *store, int error, const char *verb, const char *name)
{
	const char *remedy = "";

	if (error == -ENOSPC || error == -EDQUOT)
		remedy = "; free some space there and run it again";
	else if (error == -EACCES || error == -EPERM)
		remedy = "; run it as a user who may";
	else if (error == -EROFS)
		remedy = "; mount it writable";
	else if (error == -EIO)
		remedy = "; look for errors of its disk in the kernel's log";
	return failure_set(error, "cannot %s %s/%s: %s%s", verb, store->path, name,
			   strerror(-error), remedy);
}

static void object_name(enum tmc_store_kind kind, const struct tmc_id *id,
			char ret_name[NAME_BYTES])
{
	char digits[TMC_ID_TEXT] = "";

	if (kind != TMC_STORE_CONFIG)
		tmc_id_format(id, digits);
	if (kind == TMC_STORE_CONFIG)
		strcpy(ret_name, "config");
	else if (kind == TMC_STORE_PACK)
		snprintf(ret_name, NAME_BYTES, "packs/%.2s/%s", digits, digits);
	else if (kind == TMC_STORE_ASIDE_POINT)
		snprintf(ret_name, NAME_BYTES, TMC_STORE_ASIDE_POINTS "%s", digits);
	else
		snprintf(ret_name, NAME_BYTES, "%s/%s", kind_directories[kind], digits);
}

const char *tmc_store_describe(const struct tmc_store *store, enum tmc_store_kind kind,
			       const struct tmc_id *id, char ret_text[TMC_STORE_TEXT])
{
	char name[NAME_BYTES];

	object_name(kind, id, name);
	snprintf(ret_text, TMC_STORE_TEXT, "%s/%s", store->path, name);
	return ret_text;
}

const char *tmc_store_directory(enum tmc_store_kind kind)
{
	return kind_directories[kind];
}

bool tmc_store_is_late(enum tmc_store_kind kind)
{
	return kind == TMC_STORE_DOOM || kind == TMC_STORE_LEDGER || kind == TMC_STORE_NOTE ||
	       kind == TMC_STORE_KEY || kind == TMC_STORE_JOURNAL;
}

static void call_hook(enum tmc_store_call call, enum tmc_store_kind kind)
{
	if (tmc_store_hooks.before)
		tmc_store_hooks.before(call, kind);
}

/* ------------------------------------------------------------------- directory */

static int sync_directory(struct tmc_store *store, const char *name)
{
	CLEANUP_CLOSE int fd = io_open(store->root_fd, name, O_RDONLY | O_DIRECTORY);
	int ret = fd;

	if (fd >= 0)
		ret = io_sync(fd);
	return ret < 0 ? tmc_store_error(store, ret, "sync", name) : 0;
}

/* What a creation that was cut short leaves may be taken over; nothing else. */
static int check_vacant(int root_fd, const char *path)
{
	CLEANUP_CLOSEDIR DIR *root = NULL;
	struct dirent *entry;
	int ret = tmc_store_open_directory(root_fd, ".", &root);

	if (ret < 0)
		return failure_set(ret, "cannot read %s: %s", path, strerror(-ret));
	if (!faccessat(root_fd, "config", F_OK, 0))
		return failure_set(-EEXIST, "%s is a repository already", path);
	while ((entry = tmc_store_next_entry(root))) {
		CLEANUP_CLOSEDIR DIR *sub = NULL;
		bool ours = !strcmp(entry->d_name, kind_directories[TMC_STORE_KEY]);

		for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
			ours |= !strcmp(entry->d_name, directories[i]);
		if (!ours || tmc_store_open_directory(root_fd, entry->d_name, &sub) < 0 ||
		    (strcmp(entry->d_name, "sessions") && strcmp(entry->d_name, "keys") &&
		     tmc_store_next_entry(sub)))
			return failure_set(-ENOTEMPTY, "%s is not empty: a repository needs an "
					   "empty directory", path);
	}
	if (errno)
		return failure_set(-errno, "cannot read %s: %s", path, strerror(errno));
	return 0;
}

int tmc_store_create(const char *path)
{
	CLEANUP_CLOSE int parent_fd = -1;
	CLEANUP_CLOSE int fd = -1;
	int ret = io_mkdir(AT_FDCWD, path);

	if (ret < 0 && ret != -EEXIST)
		return failure_set(ret, "cannot make directory %s: %s", path, strerror(-ret));
	fd = io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return failure_set(fd, "cannot open directory %s: %s", path, strerror(-fd));
	ret = check_vacant(fd, path);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		ret = io_mkdir(fd, directories[i]);
		if (ret < 0 && ret != -EEXIST)
			return failure_set(ret, "cannot make directory %s/%s: %s", path,
					   directories[i], strerror(-ret));
	}
	ret = io_sync(fd);
	parent_fd = io_open(fd, "..", O_RDONLY | O_DIRECTORY);
	if (!ret)
		ret = parent_fd < 0 ? parent_fd : io_sync(parent_fd);
	return ret < 0 ? failure_set(ret, "cannot sync %s: %s", path, strerror(-ret)) : 0;
}

int tmc_store_open(const char *path, struct tmc_store **ret_store)
{
	struct tmc_store *store = calloc(1, sizeof(*store));

	if (!store)
		return failure_set(-ENOMEM, "out of memory");
	store->root_fd = io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
	if (store->root_fd < 0) {
		int ret = failure_set(store->root_fd, "cannot open repository %s: %s", path,
				      strerror(-store->root_fd));

		free(store);
		return ret;
	}
	snprintf(store->path, sizeof(store->path), "%s", path);
	pthread_mutex_init(&store->lock, NULL);
	*ret_store = store;
	return 0;
}

void tmc_store_close(struct tmc_store *store)
{
	if (!store)
		return;
	if (store->session)
		call_hook(TMC_STORE_CALL_CLOSE, TMC_STORE_CONFIG);
	tmc_session_end(store->session);
	pthread_mutex_destroy(&store->lock);
	close(store->root_fd);
	free(store);
}

int tmc_store_root(const struct tmc_store *store)
{
	return store->root_fd;
}

const char *tmc_store_path(const struct tmc_store *store)
{
	return store->path;
}

int tmc_store_enter(struct tmc_store *store, const char *task)
{
	struct tmc_session *session;
	int ret;

	LOCK_SCOPE(&store->lock);
	if (store->session)
		return 0;
	call_hook(TMC_STORE_CALL_ENTER, TMC_STORE_CONFIG);
	ret = tmc_session_begin(store, task, &session);
	if (!ret)
		store->session = session;
	return ret;
}

struct tmc_session *tmc_store_session(struct tmc_store *store)
{
	return store->session;
}

/* A name that is gone is gone with the session, where that was broken. */
static int draft_error(struct tmc_store *store, int error, const char *verb, const char *name)
{
	if (error == -ENOENT && tmc_session_is_lost(store->session))
		return -ETIMEDOUT;
	return tmc_store_error(store, error, verb, name);
}

/* ------------------------------------------------------------------------ read */

int tmc_store_get(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id,
		  int *ret_fd, uint64_t *ret_bytes)
{
	char name[NAME_BYTES];
	struct stat st;
	int fd;

	object_name(kind, id, name);
	fd = io_open(store->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return tmc_store_error(store, fd, "open", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return failure_set(-EBADMSG, "%s/%s is damaged: it is not a file", store->path,
				   name);
	}
	*ret_fd = fd;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

/* ----------------------------------------------------------------------- write */

static int open_draft(struct tmc_store *store, char ret_name[NAME_BYTES])
{
	int ret = tmc_store_enter(store, "write");

	if (ret < 0)
		return ret;
	snprintf(ret_name, NAME_BYTES, "%s/%u", tmc_session_directory(store->session),
		 atomic_fetch_add(&store->nr_drafts, 1));
	ret = io_open(store->root_fd, ret_name, O_RDWR | O_CREAT | O_EXCL);
	return ret < 0 ? draft_error(store, ret, "make", ret_name) : ret;
}

int tmc_store_begin(struct tmc_store *store, struct tmc_draft **ret_draft)
{
	CLEANUP_FREE struct tmc_draft *draft = calloc(1, sizeof(*draft));

	if (!draft)
		return failure_set(-ENOMEM, "out of memory");
	draft->store = store;
	draft->fd = open_draft(store, draft->name);
	if (draft->fd < 0)
		return draft->fd;
	*ret_draft = draft;
	draft = NULL;
	return 0;
}

static bool set_direct(struct tmc_draft *draft, bool direct)
{
	int flags = fcntl(draft->fd, F_GETFL);

	if (flags < 0)
		return false;
	flags = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
	return !fcntl(draft->fd, F_SETFL, flags);
}

void tmc_store_set_direct(struct tmc_draft *draft)
{
	draft->direct = set_direct(draft, true);
}

static bool is_aligned(const struct tmc_draft *draft, const void *data, size_t bytes)
{
	return !(((uintptr_t)data | bytes | draft->bytes) % DIRECT_BYTES);
}

int tmc_store_write(struct tmc_draft *draft, const void *data, size_t bytes)
{
	int ret = -EINVAL;

	if (draft->direct && is_aligned(draft, data, bytes))
		ret = io_write_full(draft->fd, data, bytes, draft->bytes);
	/* The unaligned end of a file, or a file system that wants more than pages. */
	if (draft->direct && ret == -EINVAL)
		draft->direct = !set_direct(draft, false);
	if (!draft->direct && ret == -EINVAL) {
		ret = io_write_full(draft->fd, data, bytes, draft->bytes);
		/* Start the disk early, so that the fsync finds little left to do. */
		sync_file_range(draft->fd, (off_t)draft->bytes, (off_t)bytes,
				SYNC_FILE_RANGE_WRITE);
	}
	if (ret < 0)
		return tmc_store_error(draft->store, ret, "write", draft->name);
	draft->bytes += bytes;
	return 0;
}

void tmc_store_discard(struct tmc_draft *draft)
{
	if (!draft)
		return;
	if (draft->name[0])
		io_unlink(draft->store->root_fd, draft->name);
	close(draft->fd);
	free(draft);
}

static void draft_cleanup(struct tmc_draft **draft)
{
	tmc_store_discard(*draft);
}

static int name_draft(struct tmc_draft *draft, const char *name)
{
	int root_fd = draft->store->root_fd;
	int ret = io_rename_new(root_fd, draft->name, root_fd, name);

	if (ret < 0)
		return draft_error(draft->store, ret, "rename to", name);
	draft->name[0] = '\0';
	return 0;
}

/* Synced whoever made it: that one's sync may have failed, or be still to come. */
static int make_directory(struct tmc_store *store, const char *name)
{
	int ret = io_mkdir(store->root_fd, name);

	return ret < 0 && ret != -EEXIST ? tmc_store_error(store, ret, "make directory", name) :
					   sync_directory(store, ".");
}

/* Once synced by us it stays: nobody removes one. */
static int make_kind_directory(struct tmc_store *store, enum tmc_store_kind kind)
{
	unsigned int bit = 1u << kind;
	int ret = 0;

	if (!(atomic_load(&store->made_kinds) & bit))
		ret = make_directory(store, kind_directories[kind]);
	if (!ret)
		atomic_fetch_or(&store->made_kinds, bit);
	return ret;
}

int tmc_store_seal(struct tmc_draft *arg_draft, enum tmc_store_kind kind, const struct tmc_id *id)
{
	__attribute__((cleanup(draft_cleanup))) struct tmc_draft *draft = arg_draft;
	struct tmc_store *store = draft->store;
	char name[NAME_BYTES];
	int ret;

	call_hook(TMC_STORE_CALL_SEAL, kind);
	ret = io_sync(draft->fd);
	if (ret < 0)
		return tmc_store_error(store, ret, "sync", draft->name);
	if (tmc_store_is_late(kind))
		ret = make_kind_directory(store, kind);
	if (ret < 0)
		return ret;
	object_name(kind, id, name);
	if (kind == TMC_STORE_PACK) {
		char directory[] = "packs/xx";

		memcpy(directory, name, sizeof(directory) - 1);
		ret = io_mkdir(store->root_fd, directory);
		if (ret < 0 && ret != -EEXIST)
			return tmc_store_error(store, ret, "make directory", directory);
	}
	ret = name_draft(draft, name);
	if (ret < 0 || kind == TMC_STORE_PACK || kind == TMC_STORE_INDEX)
		return ret;
	ret = sync_directory(store, kind_directories[kind]);
	if (ret < 0)
		io_unlink(store->root_fd, name);
	return ret;
}

int tmc_store_sync_packs(struct tmc_store *store, const uint64_t first_bytes[4])
{
	int ret = 0;

	for (unsigned int first = 0; !ret && first < 256; first++) {
		char name[] = "packs/xx";

		if (!(first_bytes[first / 64] >> first % 64 & 1))
			continue;
		snprintf(name, sizeof(name), "packs/%02x", first);
		ret = sync_directory(store, name);
	}
	return ret ? ret : sync_directory(store, "packs");
}

int tmc_store_sync_index(struct tmc_store *store)
{
	return sync_directory(store, "index");
}

int tmc_store_sync(struct tmc_store *store, enum tmc_store_kind kind)
{
	static const uint64_t all[4] = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };

	return kind == TMC_STORE_PACK ? tmc_store_sync_packs(store, all) :
					sync_directory(store, kind_directories[kind]);
}

int tmc_store_remove(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id)
{
	char name[NAME_BYTES];
	int ret;

	call_hook(TMC_STORE_CALL_REMOVE, kind);
	object_name(kind, id, name);
	ret = io_unlink(store->root_fd, name);
	return ret < 0 && ret != -ENOENT ? tmc_store_error(store, ret, "remove", name) : 0;
}

/* A change of our own makes the kernel drop what it remembers of a directory. */
int tmc_store_look_afresh(struct tmc_store *store, const char *directory)
{
	char name[NAME_BYTES];
	int fd;

	snprintf(name, sizeof(name), "%s/.look", directory);
	fd = io_open(store->root_fd, name, O_WRONLY | O_CREAT);
	if (fd < 0)
		return tmc_store_error(store, fd, "make", name);
	close(fd);
	io_unlink(store->root_fd, name);
	return 0;
}

int tmc_store_time(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id,
		   uint64_t *ret_ns)
{
	char name[NAME_BYTES];
	struct stat st;

	object_name(kind, id, name);
	if (fstatat(store->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return tmc_store_error(store, -errno, "look at", name);
	*ret_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

/* What it is called there; the length. */
static int aside_name(const char *name, char ret_aside[NAME_BYTES + 24])
{
	const char *slash = strrchr(name, '/');

	return snprintf(ret_aside, NAME_BYTES + 24, "aside/%.*s%s%s", (int)strcspn(name, "/"), name,
			slash ? "-" : "", slash ? slash + 1 : "");
}

/* Until the second sync both names may come back after a crash, never none. */
int tmc_store_put_aside(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id)
{
	char name[NAME_BYTES], aside[NAME_BYTES + 24], directory[NAME_BYTES] = ".";
	const char *slash;
	int ret;

	object_name(kind, id, name);
	slash = strrchr(name, '/');
	if (slash)
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - name), name);
	ret = make_directory(store, "aside");
	if (ret < 0)
		return ret;
	ret = -EEXIST;
	for (unsigned int n = 1; ret == -EEXIST && n <= ASIDE_NAMES; n++) {
		int length = aside_name(name, aside);

		if (n > 1) /* it was put aside before, and is damaged again */
			snprintf(aside + length, sizeof(aside) - (size_t)length, ".%u", n);
		ret = io_rename_new(store->root_fd, name, store->root_fd, aside);
	}
	if (ret < 0)
		return tmc_store_error(store, ret, "put aside", name);
	ret = sync_directory(store, "aside");
	return ret ? ret : sync_directory(store, directory);
}

bool tmc_store_is_aside(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id)
{
	char name[NAME_BYTES], aside[NAME_BYTES + 24];

	object_name(kind, id, name);
	aside_name(name, aside);
	return !faccessat(store->root_fd, aside, F_OK, 0);
}

int tmc_store_take_back_point(struct tmc_store *store, const struct tmc_id *id)
{
	char name[NAME_BYTES], aside[NAME_BYTES];
	int ret;

	object_name(TMC_STORE_POINT, id, name);
	object_name(TMC_STORE_ASIDE_POINT, id, aside);
	ret = io_rename_new(store->root_fd, aside, store->root_fd, name);
	if (ret < 0)
		return tmc_store_error(store, ret, "take back", aside);
	ret = sync_directory(store, "points");
	return ret ? ret : sync_directory(store, "aside");
}

int tmc_store_scratch(struct tmc_store *store, int *ret_fd)
{
	char name[NAME_BYTES];
	int fd = open_draft(store, name);

	if (fd < 0)
		return fd;
	io_unlink(store->root_fd, name);
	*ret_fd = fd;
	return 0;
}
