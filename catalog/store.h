/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where objects lie: a directory, or later an object store. An object is written
 * as a draft that nobody sees and gets its name when it is sealed; invariants 1,
 * 2, 3 and 9 of docs/format.md are kept here.
 */
#ifndef CATALOG_STORE_H
#define CATALOG_STORE_H

#include "tidemark.h"

enum tmc_store_kind {
	TMC_STORE_CONFIG, /* one object; its id is ignored */
	TMC_STORE_PACK,
	TMC_STORE_INDEX,
	TMC_STORE_POINT,
	TMC_STORE_DOOM,
	TMC_STORE_LEDGER,
	TMC_STORE_NOTE,
	TMC_STORE_ASIDE_POINT, /* put aside by repair: to be read, listed and taken back */
	TMC_STORE_KEY,
	TMC_STORE_JOURNAL,
};

enum tmc_store_call {
	TMC_STORE_CALL_ENTER,
	TMC_STORE_CALL_LIST,
	TMC_STORE_CALL_SEAL,
	TMC_STORE_CALL_REMOVE,
	TMC_STORE_CALL_CLOSE,
};

/** What a test puts in between; NULL members are not called. Set before threads start. */
struct tmc_store_hooks {
	/** Before a call that others can tell from its not being there. */
	void (*before)(enum tmc_store_call call, enum tmc_store_kind kind);
	/** A list as it will be returned; it may shrink, or the call fail. */
	int (*listed)(enum tmc_store_kind kind, struct tmc_id *ids, size_t *nr);
	/** The same for names, of name_bytes each. */
	void (*listed_names)(char *names, size_t name_bytes, size_t *nr);
};
extern struct tmc_store_hooks tmc_store_hooks;

struct tmc_store; /**< may be shared by threads */
struct tmc_session;

/** Make the directories. Errors: -EEXIST (a config is there), -ENOTEMPTY. */
int tmc_store_create(const char *path);
int tmc_store_open(const char *path, struct tmc_store **ret_store);
void tmc_store_close(struct tmc_store *store);

/** Make this store's session, unless it has one, which lasts until it is closed. */
int tmc_store_enter(struct tmc_store *store, const char *task);
/** NULL before that. */
struct tmc_session *tmc_store_session(struct tmc_store *store);

/** The directory: its descriptor, its name in errors. */
int tmc_store_root(const struct tmc_store *store);
const char *tmc_store_path(const struct tmc_store *store);
/** The sentence for a system call that failed on a name in it; returns error. */
int tmc_store_error(const struct tmc_store *store, int error, const char *verb, const char *name);

/** Names of name_bytes with their NUL that a directory holds, back to back; free(). */
int tmc_store_list_names(struct tmc_store *store, const char *directory, size_t name_bytes,
			 char **ret_names, size_t *ret_nr);

/** What an error calls an object: its path. */
#define TMC_STORE_TEXT 512
const char *tmc_store_describe(const struct tmc_store *store, enum tmc_store_kind kind,
			       const struct tmc_id *id, char ret_text[TMC_STORE_TEXT]);

/** Open an object to read. Errors: -ENOENT. */
int tmc_store_get(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id,
		  int *ret_fd, uint64_t *ret_bytes);

/**
 * The ids of all objects of a kind, in ascending order; freed with free(). Kinds
 * that older repositories have no directory for are none.
 */
int tmc_store_list(struct tmc_store *store, enum tmc_store_kind kind, struct tmc_id **ret_ids,
		   size_t *ret_nr);

/**
 * An object in the making, used by one thread at a time. It lies with the session
 * and makes one where there is none. Errors of begin and seal: also -ETIMEDOUT (the
 * session was taken for dead and broken; docs/repository.md, invariant 4).
 */
struct tmc_draft;

int tmc_store_begin(struct tmc_store *store, struct tmc_draft **ret_draft);
/** Keep what is written out of the page cache where that works: for large drafts. */
void tmc_store_set_direct(struct tmc_draft *draft);
/** Append. Direct only from page-aligned memory, in whole pages, up to the last write. */
int tmc_store_write(struct tmc_draft *draft, const void *data, size_t bytes);
/**
 * Sync, then name; frees the draft in every case. The name of a pack or an index
 * is durable only after tmc_store_sync_packs or _index, that of others on return.
 * A point whose name cannot be made durable is taken back (invariant 6).
 */
int tmc_store_seal(struct tmc_draft *draft, enum tmc_store_kind kind, const struct tmc_id *id);
void tmc_store_discard(struct tmc_draft *draft);

/** Make the names of packs durable; bit n of word n / 64: some begin with byte n. */
int tmc_store_sync_packs(struct tmc_store *store, const uint64_t first_bytes[4]);
/** Make the names of all indexes durable, those of other writers too (invariant 5). */
int tmc_store_sync_index(struct tmc_store *store);

/** The same for any kind. */
int tmc_store_sync(struct tmc_store *store, enum tmc_store_kind kind);

/**
 * For the sweep of a doom, and for key slots. One that is not there is no error. Durable after
 * tmc_store_sync.
 */
int tmc_store_remove(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id);

/** Have the next list of a directory come from the server of a network file system. */
int tmc_store_look_afresh(struct tmc_store *store, const char *directory);

/** When an object was written, by the store's clock. Errors: -ENOENT. */
int tmc_store_time(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id,
		   uint64_t *ret_ns);

/**
 * Move a damaged object to aside/<its directory>-<its name>, config to aside/config,
 * durably. Nobody reads there. Errors: -ENOENT.
 */
int tmc_store_put_aside(struct tmc_store *store, enum tmc_store_kind kind,
			const struct tmc_id *id);
/** Whether it was put aside, and still lies there. */
bool tmc_store_is_aside(struct tmc_store *store, enum tmc_store_kind kind, const struct tmc_id *id);
/** Give a point that was put aside its name again, durably. Errors: -EEXIST. */
int tmc_store_take_back_point(struct tmc_store *store, const struct tmc_id *id);

/** A file without a name for what does not fit in memory. */
int tmc_store_scratch(struct tmc_store *store, int *ret_fd);

#endif
