/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * libtidemark: a repository of restore points of block devices. The format of
 * what it stores is in docs/format.md.
 *
 * Conventions. Calls return 0 or a negative errno; the sentence for a user is in
 * tmc_error_text(). Offsets and sizes are in bytes unless the name says
 * otherwise (_ns: nanoseconds since 1970, CLOCK_REALTIME). Chunk n covers the bytes
 * from n * chunk_bytes; the last chunk is shorter where the volume's size is not a
 * multiple of chunk_bytes. Strings are UTF-8.
 *
 * Ownership. What a call takes as const, and every text or structure that it gets, is
 * copied: the caller may free it on return. What it returns through ret_ is the
 * caller's; arrays are freed with free(), handles with the call that their
 * description names. On error ret_ values are untouched unless said otherwise.
 *
 * Threads. A handle may be used by several threads at once where its description
 * says so; nobody may use it any more when it is closed, committed or aborted.
 * Callbacks run in threads of the library, one at a time for a callback that
 * returns void; they must not call back into the handle that they are called
 * for. A process that uses a handle must not fork() and go on using it in the child.
 *
 * Errors that every call can return: -EIO and other errors of the system calls,
 * -ENOMEM, -EBADMSG (an object of the repository is damaged: truncated, foreign
 * or not what its hash says), -EPROTONOSUPPORT (written by a newer version), -ENOKEY
 * (the repository is encrypted and was not unlocked).
 *
 * To build: pkg-config --cflags --libs libtidemark.
 */
#ifndef TIDEMARK_H
#define TIDEMARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TMC_ID_BYTES 32
#define TMC_ID_TEXT  (2 * TMC_ID_BYTES + 1) /**< hex digits and the final NUL */

/** Name of an immutable object: a hash of what it says. */
struct tmc_id {
	uint8_t bytes[TMC_ID_BYTES];
};

/** The id as lower-case hex digits. */
void tmc_id_format(const struct tmc_id *id, char ret_text[TMC_ID_TEXT]);

/**
 * The latest error of this thread as one sentence that names the thing and,
 * where there is one, the remedy. The library's, valid until the next call in this
 * thread; never NULL.
 */
const char *tmc_error_text(void);

/* ---------------------------------------------------------------- repository */

#define TMC_CHUNK_BYTES_MIN     4096u
#define TMC_CHUNK_BYTES_DEFAULT 65536u
#define TMC_CHUNK_BYTES_MAX     1048576u

/** An open repository. May be shared by threads; outlives what was begun with it. */
struct tmc_repo;

enum tmc_compression_method {
	TMC_COMPRESSION_LZ4,   /**< fast to write and to read */
	TMC_COMPRESSION_NONE,
	TMC_COMPRESSION_LZ4HC, /**< levels 1 to 12, usually 9: slow to write, read like LZ4 */
	TMC_COMPRESSION_ZSTD,  /**< levels 1 to 19, usually 3: smaller, slower to read */
};

/** How new content is compressed. What there is stays as it was written. */
struct tmc_compression {
	enum tmc_compression_method method;
	int level; /**< 0: the usual one */
};

struct tmc_repo_info {
	struct tmc_id id;
	struct tmc_compression compression; /**< the repository's own */
	uint32_t chunk_bytes;
	uint64_t created_ns;
	bool encrypted;
	bool locked; /**< encrypted, and not unlocked yet */
};

/**
 * Make a repository in a directory that is empty or does not exist yet.
 * chunk_bytes: a power of two from TMC_CHUNK_BYTES_MIN to _MAX.
 * Errors: -EEXIST (a repository already), -ENOTEMPTY, -EINVAL (chunk size).
 */
int tmc_repo_create(const char *path, uint32_t chunk_bytes);

/** What is chosen for good when a repository is made; all zero but chunk_bytes: usual. */
struct tmc_repo_options {
	uint32_t chunk_bytes;
	struct tmc_compression compression; /**< where a backup chooses no other */
	const char *passphrase; /**< 1 to TMC_PASSPHRASE_BYTES - 1 bytes; NULL: not encrypted */
	const char *label;      /**< of the passphrase's key slot, see tmc_key; or NULL */
};

/**
 * The same with more to choose. A passphrase costs 64 MiB of memory for a fifth of a
 * second, as in the unlock and key calls. Errors: also -EINVAL (compression, passphrase).
 */
int tmc_repo_create_with(const char *path, const struct tmc_repo_options *options);

/**
 * Compress what backups of this handle store from now on in another way than the
 * repository's own. Not while a backup is running. Errors: -EINVAL.
 */
int tmc_repo_set_compression(struct tmc_repo *repo, const struct tmc_compression *compression);

/**
 * Open a repository, closed with tmc_repo_close. Costs the same whatever is in it. One
 * that is encrypted is locked at first: until an unlock call has returned 0, calls
 * that need its content return -ENOKEY.
 * Errors: -ENOENT (no such directory), -EMEDIUMTYPE (no repository).
 */
int tmc_repo_open(const char *path, struct tmc_repo **ret_repo);
/**
 * The highest generation of what is in the repository: it grows with each point and
 * each prune and never falls, unless an older state of the repository is shown. Reads
 * every point. Errors: -ENOKEY, -EBADMSG (a doom or ledger; a damaged point is passed
 * over).
 */
int tmc_repo_get_generation(struct tmc_repo *repo, uint64_t *ret_generation);

/**
 * Have functions called by each tmc_repo_open and tmc_repo_close of this process.
 * on_open may unlock the repository or refuse it: what it returns below 0, open
 * returns. path: as it was given to open. on_close: the handle can still be used. Set
 * before threads start; NULL: none.
 */
void tmc_repo_watch(int (*on_open)(struct tmc_repo *repo, const char *path),
		    void (*on_close)(struct tmc_repo *repo));

/** Frees it; NULL is fine. */
void tmc_repo_close(struct tmc_repo *repo);
/** Cannot fail. */
void tmc_repo_get_info(const struct tmc_repo *repo, struct tmc_repo_info *ret_info);

/* ------------------------------------------------------------------------ keys */

#define TMC_PASSPHRASE_BYTES 1024u /**< with the final NUL */
#define TMC_KEY_LABEL_BYTES  65 /**< with the final NUL */
#define TMC_RECOVERY_BYTES   320u

/**
 * Unlock an encrypted repository, before other threads use it; once is enough.
 * Errors: -EKEYREJECTED (wrong passphrase, no key slot that is whole, or it is not
 * encrypted), -EBADMSG (config has been changed).
 */
int tmc_repo_unlock(struct tmc_repo *repo, const char *passphrase);

/** The same with the text of tmc_key_export. Errors: also -EINVAL (a slip in it). */
int tmc_repo_unlock_recovery(struct tmc_repo *repo, const char *text);

/** A key slot: one passphrase that opens the repository. */
struct tmc_key {
	struct tmc_id id;
	uint64_t created_ns;
	char label[TMC_KEY_LABEL_BYTES]; /**< for people; anybody can read it */
	bool damaged; /**< the rest is not known */
	bool in_use;  /**< it opened this handle */
};

/** All key slots; the array is the caller's. Errors: -EINVAL (not encrypted). */
int tmc_key_list(struct tmc_repo *repo, struct tmc_key **ret_list, size_t *ret_nr);

/**
 * Add, change, remove passphrases; no stored data changes. change replaces the one
 * that unlocked the repository. A removed passphrase still opens older copies of its
 * slot. Errors: -EINVAL (not encrypted; passphrase, label), -ENOENT, -ENOKEY, remove:
 * -ETXTBSY (the last one).
 */
int tmc_key_add(struct tmc_repo *repo, const char *passphrase, const char *label,
		struct tmc_id *ret_id);
int tmc_key_change(struct tmc_repo *repo, const char *passphrase, struct tmc_id *ret_id);
int tmc_key_remove(struct tmc_repo *repo, const struct tmc_id *id);

/** The master key as a text of a few lines, for a safe place; wipe it after use. */
int tmc_key_export(struct tmc_repo *repo, char ret_text[TMC_RECOVERY_BYTES]);

/* ------------------------------------------------------------ restore points */

#define TMC_TEXT_BYTES 256

/**
 * What a restore point says of its volume. Strings are UTF-8, NUL-terminated,
 * empty where unknown. volume_id tells volumes apart and stays the same across
 * reboots and renamed nodes; points of one volume share it.
 */
struct tmc_volume {
	char volume_id[TMC_TEXT_BYTES];
	char name[TMC_TEXT_BYTES];   /**< for people: the name or node given */
	char host[TMC_TEXT_BYTES];
	char fs_type[TMC_TEXT_BYTES];
	char fs_uuid[TMC_TEXT_BYTES];
	char fs_label[TMC_TEXT_BYTES];
	uint64_t volume_bytes;
};

/**
 * The place of a point in its volume's journal. settles_seq 0: the point is the volume
 * after record seq. Else it is a scan (docs/journal.md): it counts only together with
 * the records behind seq up to settles_seq at least, and is never restored by itself.
 * UINT64_MAX: a part of a scan, which only another scan goes on from.
 */
struct tmc_moment {
	uint64_t stretch; /**< 0: none */
	uint64_t seq;
	uint64_t settles_seq;
};

struct tmc_point {
	struct tmc_id id;
	struct tmc_id parent;   /**< the point it was made from; all zero: none */
	struct tmc_volume volume;
	uint32_t chunk_bytes;
	uint64_t cut_time_ns;   /**< CLOCK_REALTIME at the cut */
	uint64_t changed_bytes; /**< content that differs from the parent's */
	uint64_t read_bytes;    /**< handed in by the agent */
	uint64_t stored_bytes;  /**< bytes that this point added to packs */
	uint64_t unreadable_chunks;
	uint64_t generation;    /**< above that of all that the repository had before; 0: unknown */
	/**
	 * What the points of one cut over several volumes share: "<32 hex digits>-<n>" or
	 * "<32 hex digits>-<n>-<name>", n being how many volumes it was made over, and the
	 * name what people call them together. Empty: a cut of one volume.
	 */
	char group[TMC_TEXT_BYTES];
	struct tmc_moment moment;
};

/**
 * All points, oldest cut first. The array is the caller's, freed with free().
 * A damaged point object is left out of the array and makes the call return
 * -EBADMSG; the array is valid all the same.
 */
int tmc_point_list(struct tmc_repo *repo, struct tmc_point **ret_points, size_t *ret_nr);

/**
 * Find a point by "latest" or by the first hex digits of its id (4 or more). Of points that
 * are scans (tmc_moment) "latest" is none.
 * volume_id: only points of this volume; NULL: of any.
 * Errors: -ENOENT (none), -ENOTUNIQ (several), -EINVAL (neither form).
 */
int tmc_point_find(struct tmc_repo *repo, const char *name, const char *volume_id,
		   struct tmc_point *ret_point);

/** Look up one point. Errors: -ENOENT. */
int tmc_point_get(struct tmc_repo *repo, const struct tmc_id *id, struct tmc_point *ret_point);

/* -------------------------------------------------------------- tags and notes */

#define TMC_TAGS_MAX  32u
#define TMC_TAG_TEXT 64u

/** What people say of a point. */
struct tmc_note {
	struct tmc_id point;
	uint64_t time_ns; /**< when it was said */
	unsigned int nr_tags;
	char tags[TMC_TAGS_MAX][TMC_TAG_TEXT]; /**< without spaces and commas */
	char text[TMC_TEXT_BYTES];              /**< empty: none */
};

/**
 * The notes of all points that have one, by point: an array for tmc_note_of, freed with
 * free(). A damaged note object is left out, and makes the call return -EBADMSG;
 * the array is valid all the same.
 */
int tmc_note_list(struct tmc_repo *repo, struct tmc_note **ret_notes, size_t *ret_nr);

/** The point's note in that array; NULL: it has none. */
const struct tmc_note *tmc_note_of(const struct tmc_note *notes, size_t nr,
				   const struct tmc_point *point);
/** NULL has no tag. */
bool tmc_note_has_tag(const struct tmc_note *note, const char *tag);

/**
 * Replace the note of note->point, durably; time_ns is set anew. Of two at once the
 * later one counts. Errors: -EINVAL (too many tags, no tag, text too long).
 */
int tmc_note_put(struct tmc_repo *repo, const struct tmc_note *note);

/* -------------------------------------------------------------------- backup */

/**
 * A restore point in the making. put and buffer calls may come from several
 * threads at once. Until commit returns 0 nothing of it can be seen; an aborted
 * or crashed backup leaves no point, and at most unreferenced packs.
 */
struct tmc_backup;

/** volume_bytes of a volume whose size only its end will tell, such as a pipe. */
#define TMC_BYTES_UNKNOWN UINT64_MAX

/**
 * Begin; ended by tmc_backup_commit or tmc_backup_abort.
 * parent: chunks that are never put are the parent's. With NULL, or a parent of
 * another size than the volume's, each chunk must be put before commit; such a parent
 * saves work where content is the same. nr_workers: hashing threads, 0 for one per CPU.
 * Errors: -EINVAL (too large), -ENOENT (no such parent).
 */
int tmc_backup_begin(struct tmc_repo *repo, const struct tmc_volume *volume,
		     const struct tmc_point *parent, unsigned int nr_workers,
		     struct tmc_backup **ret_backup);

/**
 * The size of a volume that was begun with TMC_BYTES_UNKNOWN, in any case before
 * commit, and before the last chunk is put if that is a short one: until then every
 * chunk counts as whole. Errors: -EINVAL (not such a volume; chunks lie beyond the end).
 */
int tmc_backup_set_bytes(struct tmc_backup *backup, uint64_t volume_bytes);

/** The point's group, see tmc_point; before commit, by one thread. */
void tmc_backup_set_group(struct tmc_backup *backup, const char *group);

/** The point's moment; before commit, by one thread. */
void tmc_backup_set_moment(struct tmc_backup *backup, const struct tmc_moment *moment);

/** Chunks that one buffer holds: TMC_BUFFER_BYTES / chunk_bytes, at least 1. */
#define TMC_BUFFER_BYTES 1048576u

/**
 * A page-aligned buffer of TMC_BUFFER_BYTES from the backup's bounded pool; waits
 * while all are in use. Give it back with put or with tmc_backup_buffer_return.
 * NULL once the backup has failed: stop and call commit or abort.
 */
void *tmc_backup_buffer(struct tmc_backup *backup);
/** Give a buffer back without putting it. */
void tmc_backup_buffer_return(struct tmc_backup *backup, void *buffer);

/**
 * Hand over nr_chunks chunks, contiguous in the buffer, from first_chunk on.
 * chosen: bit n of word n / 64 tells whether chunk first_chunk + n counts; NULL:
 * all do. Takes the buffer in every case. A chunk put twice is a bug of the
 * caller's: -EINVAL. Otherwise returns the first error of the pipeline so far.
 */
int tmc_backup_put(struct tmc_backup *backup, uint64_t first_chunk, uint32_t nr_chunks,
		   void *buffer, const uint64_t *chosen);

/** Put zeros without a buffer: holes of a sparse file cost nothing, however large. */
int tmc_backup_put_zero(struct tmc_backup *backup, uint64_t first_chunk, uint64_t nr_chunks);

/**
 * Mark chunks that the device could not read: restore names them. Errors: -EINVAL (a
 * chunk twice, or beyond the volume), and those of the pipeline.
 */
int tmc_backup_put_unreadable(struct tmc_backup *backup, uint64_t first_chunk,
			      uint64_t nr_chunks);

/** Bytes of plain content so far, for progress. From any thread. */
struct tmc_backup_stats {
	uint64_t hashed_bytes;    /**< chunks put, zero chunks included */
	uint64_t zero_bytes;
	uint64_t unchanged_bytes; /**< same as the parent's */
	uint64_t known_bytes;     /**< content that the repository had already */
	uint64_t stored_bytes;    /**< size of the packs, after compression */
};
void tmc_backup_get_stats(struct tmc_backup *backup, struct tmc_backup_stats *ret_stats);

/**
 * Seal and sync everything, then name the point. Frees the backup in every case.
 * When it returns 0 the point survives a power cut; on error no point exists.
 * cut_time_ns, read_bytes: what the point will say, see tmc_point. By one thread,
 * after all calls that put or return buffers have returned.
 * Errors: -EINVAL (a chunk is missing), -ENOSPC.
 */
int tmc_backup_commit(struct tmc_backup *backup, uint64_t cut_time_ns, uint64_t read_bytes,
		      struct tmc_point *ret_point);
/** Drop everything and free the backup; NULL is fine. As for commit, by one thread. */
void tmc_backup_abort(struct tmc_backup *backup);

/* ---------------------------------------------------------------------- read */

/**
 * Where a point's content goes. Calls come from several threads at once, in the
 * order that is cheapest to read, each byte of the range exactly once; every
 * chunk has been verified against its hash before data() sees it. data: run of
 * whole chunks, page-aligned, at most TMC_BUFFER_BYTES. A negative return value stops
 * the extraction, which then returns it. NULL members ignore what they would get.
 */
struct tmc_sink {
	int (*data)(void *context, uint64_t offset, const void *data, size_t bytes);
	int (*zero)(void *context, uint64_t offset, uint64_t bytes);
	int (*unreadable)(void *context, uint64_t offset, uint64_t bytes);
	void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *context;
};

/**
 * Read a whole point. nr_workers: 0 for one per CPU. What a sink has got before an
 * error is right, but not complete. Errors: -ENOENT (no such point, or it is a
 * scan, see tmc_moment).
 */
int tmc_point_extract(struct tmc_repo *repo, const struct tmc_point *point,
		      unsigned int nr_workers, const struct tmc_sink *sink);

/** A part of a point, in its chunks. */
struct tmc_part {
	uint64_t first_chunk;
	uint64_t nr_chunks;       /**< UINT64_MAX: to the end of the volume */
	const uint64_t *left_out; /**< chunk n of the volume: bit n % 64 of word n / 64; NULL: none */
};

/**
 * The same for a part: chunks that are left out are neither read nor delivered, and what lies
 * between the wanted ones costs nothing. progress() counts of the whole volume.
 */
int tmc_point_extract_part(struct tmc_repo *repo, const struct tmc_point *point,
			   const struct tmc_part *part, unsigned int nr_workers,
			   const struct tmc_sink *sink);

enum tmc_content {
	TMC_CONTENT_DATA,
	TMC_CONTENT_ZERO,
	TMC_CONTENT_UNREADABLE, /**< marked with tmc_backup_put_unreadable */
};

/**
 * What an extraction of the part would deliver, by the tree alone: ranges in ascending order,
 * neighbours of one kind joined where nothing between them is left out. A negative return
 * value of range() stops, and is returned. Errors: -ENOENT, as tmc_point_extract.
 */
int tmc_point_map(struct tmc_repo *repo, const struct tmc_point *point, const struct tmc_part *part,
		  int (*range)(void *context, enum tmc_content content, uint64_t offset,
			       uint64_t bytes), void *context);

/**
 * Tells which chunks of something that was made from a point, or is to be, hold what the point
 * says, by hash. Used by one thread at a time; as many may be had as there are threads.
 */
struct tmc_compare;

/** Ended by tmc_compare_end. Errors: -ENOENT, as tmc_point_extract. */
int tmc_compare_begin(struct tmc_repo *repo, const struct tmc_point *point,
		      struct tmc_compare **ret_compare);

/**
 * data: the chunks from first_chunk on, the last of the volume with its own length. Bit n % 64
 * of word n / 64 of ret_same, of which all (nr_chunks + 63) / 64 words are set: chunk
 * first_chunk + n is the point's. A chunk that was unreadable at the backup is the same as
 * zeros, which a restore makes of it. Errors: -EINVAL (beyond the end), -EBADMSG.
 */
int tmc_compare_chunks(struct tmc_compare *compare, uint64_t first_chunk, uint32_t nr_chunks,
		       const void *data, uint64_t *ret_same);
/** Frees it; NULL is fine. */
void tmc_compare_end(struct tmc_compare *compare);

/** Any part of a point at any time, as a block device gives it. May be shared by threads. */
struct tmc_image;

/**
 * Closed with tmc_image_close, before the repository. cache_bytes: of decoded content that is
 * kept for later reads; there is room for one chunk at least. Errors: -ENOENT, as
 * tmc_point_extract.
 */
int tmc_image_open(struct tmc_repo *repo, const struct tmc_point *point, uint64_t cache_bytes,
		   struct tmc_image **ret_image);
/** Frees it, while nobody reads; NULL is fine. */
void tmc_image_close(struct tmc_image *image);

/** Of the volume. */
uint64_t tmc_image_bytes(const struct tmc_image *image);

/**
 * Read bytes from offset on; each chunk has been verified against its hash. Errors: -EINVAL
 * (beyond the end), -EIO (marked with tmc_backup_put_unreadable), -EBADMSG. Some of the buffer
 * may have been filled then.
 */
int tmc_image_read(struct tmc_image *image, uint64_t offset, void *buffer, size_t bytes);

/**
 * Where two points differ, by their trees alone: no content is read, and the cost
 * grows with what differs. In whole chunks, but for the end of a volume. Of volumes
 * of different sizes all that only the larger one has differs; an unreadable
 * chunk differs from every other. range() is called in this thread, for each
 * range once, in ascending order, neighbours joined; a negative return value stops,
 * and is returned. NULL: only the sum is wanted.
 */
int tmc_point_diff(struct tmc_repo *repo, const struct tmc_point *a, const struct tmc_point *b,
		   int (*range)(void *context, uint64_t offset, uint64_t bytes), void *context,
		   uint64_t *ret_bytes);

/**
 * The chunks of a point that were marked with tmc_backup_put_unreadable, of a scan as well, as
 * ranges in ascending order. A negative return value of range() stops, and is returned.
 * Errors: -ENOENT, -EBADMSG.
 */
int tmc_point_unreadable(struct tmc_repo *repo, const struct tmc_point *point,
			 int (*range)(void *context, uint64_t first_chunk, uint64_t nr_chunks),
			 void *context);

/* ------------------------------------------------------------------- journal */

/**
 * The journal keeps the writes to a volume, so that it can be had as it was after any
 * of them: docs/journal.md.
 */
enum tmc_record_type {
	TMC_RECORD_WRITE = 1,
	TMC_RECORD_DISCARD, /**< the content is undefined from here; replay leaves it alone */
	TMC_RECORD_ZEROES,
	TMC_RECORD_FLUSH,   /**< what completed before is durable when this completes */
	TMC_RECORD_CUT,
	TMC_RECORD_MARK,    /**< payload: a name that somebody gave to this instant */
	TMC_RECORD_REREAD,  /**< payload: what the device held when it was read again; none: unreadable */
};

#define TMC_RECORD_PREFLUSH 1u /**< a flush just before this write */
#define TMC_RECORD_FUA      2u
#define TMC_RECORD_MORE     4u /**< the same write goes on in a later record */

#define TMC_RECORD_BYTES_MAX 1048576u /**< of a payload */
#define TMC_MARK_BYTES_MAX   255u

struct tmc_record {
	enum tmc_record_type type;
	unsigned int flags;
	uint64_t seq;
	uint64_t time_ns;
	uint64_t offset; /**< on the volume; multiples of 512, as is bytes */
	uint64_t bytes;  /**< 0 of flushes, cuts and marks */
	const void *payload;
	uint32_t payload_bytes; /**< bytes, or the length of a mark's text */
};

/** One stretch in the making: used by one thread, but for durable(). */
struct tmc_journal;

struct tmc_journal_options {
	uint64_t first_seq; /**< of the first record; above every earlier one of the volume */
	uint64_t stretch; /**< 0: a new one; else goes on in this one, whose writer has ended, ... */
	struct tmc_id previous; /**< ... behind its last segment, which this one is */
	/**
	 * Called in a thread of the library when a segment is durable: its name, for the
	 * module's base, and its last record. NULL: none.
	 */
	void (*durable)(void *context, const struct tmc_id *segment, uint64_t last_seq);
	void *context;
};

/**
 * Begin a stretch, or go on in one; ended by tmc_journal_end. Nothing is visible before the
 * first segment is sealed. Errors: -EINVAL; of going on: -ENOENT (previous is not there),
 * -ESTALE (it is not of this volume and stretch, does not end before first_seq, or is not the
 * last one), -EBADMSG.
 */
int tmc_journal_begin(struct tmc_repo *repo, const struct tmc_volume *volume,
		      const struct tmc_journal_options *options, struct tmc_journal **ret_journal);
/** Never 0. */
uint64_t tmc_journal_stretch(const struct tmc_journal *journal);

/**
 * Append a record, whose seq is the next one. Copies the payload. Seals by itself when the
 * segment is large. Waits while two segments are being stored. Errors: the first one of
 * storing; -EINVAL (seq, size). After an error nothing more is stored.
 */
int tmc_journal_append(struct tmc_journal *journal, const struct tmc_record *record);

/**
 * The content of sectors was read anew, and instants before this seq may be wrong, from the
 * segment on that is being filled. UINT64_MAX: up to a seq that another call will name.
 */
void tmc_journal_settle(struct tmc_journal *journal, uint64_t settles_seq);

/** Store what was appended so far; does not wait for it. Nothing to do is no error. */
int tmc_journal_seal(struct tmc_journal *journal);

/** Seal, wait until all is durable, and free it in every case. */
int tmc_journal_end(struct tmc_journal *journal);
/** Drop what is not durable, and free it; NULL is fine. */
void tmc_journal_abort(struct tmc_journal *journal);

/** One segment, as it says of itself. */
struct tmc_segment {
	struct tmc_id id;
	struct tmc_id previous; /**< in its stretch; all zero: it is the first */
	uint64_t stretch;
	uint64_t first_seq, last_seq;
	uint64_t first_time_ns, last_time_ns;
	uint64_t settles_seq;    /**< of this segment instants before it may be wrong; 0: none */
	uint64_t payload_bytes;  /**< before compression */
	uint64_t bytes;          /**< of the object */
	uint32_t nr_marks, nr_flushes; /**< flushes: also those just before a write */
};

/**
 * The segments of a volume by stretch and seq, stretches by time; freed with free(). Damaged
 * ones are left out, and make the call return -EBADMSG; the array is valid all the same.
 */
int tmc_segment_list(struct tmc_repo *repo, const char *volume_id,
		     struct tmc_segment **ret_segments, size_t *ret_nr);

/**
 * The highest seq that a volume's segments have used, 0 if none: those that are damaged
 * count by their names, of whatever volume they are. Errors: -EBADMSG where there are
 * such; ret_seq is valid all the same.
 */
int tmc_segment_last_seq(struct tmc_repo *repo, const char *volume_id, uint64_t *ret_seq);

/**
 * The records of a segment in order, proved; without payloads but for those of marks. A
 * negative return value of record() stops, and is returned. Errors: -ENOENT, -EBADMSG.
 */
int tmc_segment_read(struct tmc_repo *repo, const struct tmc_segment *segment,
		     int (*record)(void *context, const struct tmc_record *record), void *context);

/** A span of instants that can be had. */
struct tmc_interval {
	uint64_t stretch;
	uint64_t first_seq, last_seq;
	uint64_t first_time_ns, last_time_ns;
};

/** All of a volume, by time; freed with free(). Errors: as tmc_segment_list. */
int tmc_interval_list(struct tmc_repo *repo, const char *volume_id,
		      struct tmc_interval **ret_intervals, size_t *ret_nr);

enum tmc_when_kind {
	TMC_WHEN_TIME, /**< after the last record that is not later */
	TMC_WHEN_SEQ,  /**< after this record */
	TMC_WHEN_MARK, /**< at the latest mark of that name */
};

struct tmc_when {
	enum tmc_when_kind kind;
	uint64_t time_ns;
	uint64_t seq;
	const char *mark;
	bool before_flush; /**< go back to where the latest flush began */
};

struct tmc_instant {
	struct tmc_volume volume;
	uint64_t stretch;
	uint64_t seq;
	uint64_t time_ns;   /**< of the record seq */
	struct tmc_id base; /**< the point that it is made from */
};

/**
 * Find an instant of a volume. Errors: -ENOENT (no such instant: the sentence names the
 * nearest ones that can be had), -EBADMSG.
 */
int tmc_instant_find(struct tmc_repo *repo, const char *volume_id, const struct tmc_when *when,
		     struct tmc_instant *ret_instant);

/** As tmc_point_extract, of the volume at an instant. */
int tmc_instant_extract(struct tmc_repo *repo, const struct tmc_instant *instant,
			unsigned int nr_workers, const struct tmc_sink *sink);

/** Make the instant a restore point; the device is not read. Errors: as tmc_backup_commit. */
int tmc_instant_keep(struct tmc_repo *repo, const struct tmc_instant *instant,
		     unsigned int nr_workers, struct tmc_point *ret_point);

enum tmc_stats_depth {
	TMC_STATS_CHEAP, /**< names and sizes: grows with the number of objects */
	TMC_STATS_WALK,  /**< the trees of all points as well: grows with the chunks */
};

/** Figures of a repository; those of the walk are 0 without it. */
struct tmc_stats {
	enum tmc_stats_depth depth;
	uint64_t points, volumes;
	uint64_t logical_bytes; /**< sum of the volumes' sizes, one for each point */
	uint64_t packs, pack_bytes;
	uint64_t indexes, index_bytes;
	uint64_t point_bytes;   /**< of point objects */
	uint64_t index_entries; /**< blobs; one with two places counts twice */
	uint64_t segments, segment_bytes; /**< of the journal */
	/* of the walk, each blob that a point needs counted once: */
	uint64_t chunks;             /**< that are not zeros */
	uint64_t chunk_bytes;        /**< their plain content */
	uint64_t chunk_stored_bytes; /**< what they take in packs */
	uint64_t nodes, node_stored_bytes;
	uint64_t unneeded_bytes;     /**< of packs: all else, their own tables included */
	uint64_t unneeded_packs, unneeded_pack_bytes; /**< in which no point needs anything */
};

/**
 * Errors: -EBADMSG: a point is damaged; ret_stats counts the others (of the walk:
 * anything that it needs is damaged; ret_stats is not set).
 */
int tmc_repo_stats(struct tmc_repo *repo, enum tmc_stats_depth depth,
		   struct tmc_stats *ret_stats);

enum tmc_check_level {
	TMC_CHECK_EVERY_BYTE,
	TMC_CHECK_STRUCTURE, /**< all objects but the content of chunks */
	TMC_CHECK_SAMPLE,    /**< the structure, and every byte of some packs */
};

/** What to check; unset members are zero. */
struct tmc_check_options {
	const struct tmc_point *point; /**< NULL: all, and every other object there is */
	unsigned int nr_workers;       /**< 0: one per CPU */
	enum tmc_check_level level;
	uint64_t sample_bytes; /**< at least so much of the packs, or ... */
	uint32_t sample_ppm;   /**< ... so many of a million of their bytes */
	uint64_t seed;         /**< chooses the sample; 0: drawn anew, see the result */
	/** Called once for each damaged thing, with a sentence valid during the call. */
	void (*damage)(void *context, const char *text);
	/** What is worth to know and no damage. */
	void (*note)(void *context, const char *text);
	void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *context; /**< of the three, which may be NULL */
};

struct tmc_verify_result {
	uint64_t points;
	uint64_t read_bytes;
	uint64_t damaged_objects; /**< packs, indexes, points, nodes, chunks, segments, ... */
	uint64_t damaged_points;
	uint64_t packs, pack_bytes;
	uint64_t orphan_packs, orphan_bytes; /**< in no index: leftovers, no damage */
	uint64_t sampled_packs;              /**< of TMC_CHECK_SAMPLE, read in full */
	uint64_t seed;                       /**< of the sample */
	uint64_t segments;         /**< of the journal; 0 of one point */
	uint64_t damaged_segments; /**< and gaps between them; damaged_objects counts them too */
};

/**
 * Prove that points can be restored, as far as the level goes. Of the structure:
 * header and footer of each pack, which the pack's name proves, every tree node, every
 * byte of indexes and points, and that every chunk of every point has a place that a
 * footer confirms; of the journal the tables of segments. A sample finds damaged content in time, if it is another one each
 * time. Points that have been given up are left out, and what a prune removes meanwhile is
 * no damage. ret_result is set in every case. Returns 0 only if nothing is damaged, else
 * -EBADMSG. Errors: -EINVAL (a sample without a size, or with two), -ENOENT (the point
 * has been given up).
 */
int tmc_check(struct tmc_repo *repo, const struct tmc_check_options *options,
	      struct tmc_verify_result *ret_result);

/**
 * tmc_check with TMC_CHECK_EVERY_BYTE: every object and every byte that points need is
 * read and compared with its hash, each pack once.
 */
int tmc_verify(struct tmc_repo *repo, const struct tmc_point *point, unsigned int nr_workers,
	       void (*damage)(void *context, const char *text),
	       void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes),
	       void *context, struct tmc_verify_result *ret_result);

/* ---------------------------------------------------------------------- copy */

/** Points on their way from one repository to another; one thread's. */
struct tmc_copy;

struct tmc_copy_result {
	struct tmc_point point; /**< in the target */
	bool known;             /**< it was there: nothing was copied */
	uint64_t copied_blobs, copied_bytes; /**< chunks and nodes that the target had not */
};

/**
 * Ended by tmc_copy_end; both repositories stay open until then. What both have is not
 * copied, what is stored is not compressed anew where neither is encrypted, and chunks
 * are never cut anew. Errors: -EINVAL (chunks of different sizes, or the same
 * repository), -ENOKEY (one is locked).
 */
int tmc_copy_begin(struct tmc_repo *from, struct tmc_repo *to, struct tmc_copy **ret_copy);

/**
 * Copy a point: volume, times, tags and note stay what they are. Every chunk is proved
 * before it is stored. progress() counts bytes of the volume; NULL: nobody asks. On
 * error no point was made. The journal is not copied, so the copy has no moment. Errors:
 * -ENOENT (no such point, or it is a scan, see tmc_moment), -EBADMSG (the source is
 * damaged), -ENOSPC.
 */
int tmc_copy_point(struct tmc_copy *copy, const struct tmc_point *point,
		   void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes),
		   void *context, struct tmc_copy_result *ret_result);

/** Frees it; NULL is fine. */
void tmc_copy_end(struct tmc_copy *copy);

/* ----------------------------------------------------------------- retention */

/** Why a point stays; bits. */
enum tmc_keep {
	TMC_KEEP_LAST = 1 << 0,
	TMC_KEEP_HOURLY = 1 << 1,
	TMC_KEEP_DAILY = 1 << 2,
	TMC_KEEP_WEEKLY = 1 << 3,
	TMC_KEEP_MONTHLY = 1 << 4,
	TMC_KEEP_YEARLY = 1 << 5,
	TMC_KEEP_WITHIN = 1 << 6,
	TMC_KEEP_TAG = 1 << 7,
	TMC_KEEP_GROUP = 1 << 8,   /**< a rule keeps another point of its cut, and none this one */
	TMC_KEEP_NEWEST = 1 << 9,  /**< the newest of its volume, whatever the rules say */
	TMC_KEEP_FUTURE = 1 << 10, /**< more than 5 minutes ahead: no rule counts it */
	TMC_KEEP_SCAN = 1 << 11,   /**< a scan (tmc_moment): no rule counts it */
	TMC_KEEP_JOURNAL = 1 << 12, /**< instants of the journal are made from it, and no other would do */
};

/**
 * What to keep of each volume. A counted rule keeps the latest point of each of so many
 * hours, days, ISO weeks, months, years of local time that have one, the latest first; 0: no
 * such rule, UINT32_MAX: all of them.
 */
struct tmc_retention {
	uint32_t last, hourly, daily, weekly, monthly, yearly;
	uint64_t within_ns;      /**< all that are not older than the volume's newest by more */
	const char *const *tags; /**< points with one of them; nr_tags, may be NULL where 0 */
	size_t nr_tags;
};

/**
 * Apply rules to points in the order of tmc_point_list, and their notes as
 * tmc_note_list gives them. ret_reasons: by point, bits of enum tmc_keep; 0: it may go. Looks
 * at nothing else but the time zone of localtime_r(), changes nothing. A point with an empty
 * volume_id is the newest of a volume of its own. Errors: -EINVAL (no rule at all).
 */
int tmc_retention_apply(const struct tmc_retention *rules, const struct tmc_point *points,
			size_t nr, const struct tmc_note *notes, size_t nr_notes,
			uint64_t now_ns, uint32_t *ret_reasons);

/**
 * Points that the journal cannot do without as long as it is kept: those that its spans of
 * instants begin with. Adds TMC_KEEP_JOURNAL to their reasons. Errors: as tmc_interval_list.
 */
int tmc_retention_keep_journal(struct tmc_repo *repo, const struct tmc_point *points, size_t nr,
			       uint32_t *reasons);

/** What is kept of the journal no longer, and what stays, but for what was given up before. */
struct tmc_journal_forgotten {
	uint64_t segments, bytes;    /**< that go */
	uint64_t last_time_ns;       /**< of the latest record in them; 0: none goes */
	uint64_t kept_segments, kept_bytes;
	uint64_t kept_instants;      /**< that can be had of those and of points in the journal */
};

/**
 * Give up what instants that are older than keep_ns were made of, and what no instant can be
 * made of: of each stretch the oldest segments, up to a restore point. Ages are by the store's
 * clock. What stays, whatever its age: all behind the latest exact point of a stretch, all
 * that a scan (tmc_moment) needs, the last segment of a volume. keep_ns 0: no more than that.
 * volume_id NULL: every volume. dry_run: only say what would go. Nothing is freed before a
 * prune. On error nothing was given up. Errors: -EBADMSG, -EBUSY (this handle writes or
 * prunes), -EPROTONOSUPPORT (only a newer version may write there).
 */
int tmc_journal_forget(struct tmc_repo *repo, const char *volume_id, uint64_t keep_ns,
		       bool dry_run, struct tmc_journal_forgotten *ret_result);

/* ----------------------------------------------------------------------- prune */

/**
 * Give points up, at once and for good; nothing is freed before the next two prunes, of
 * which the second comes after the grace. Errors: -ENOENT (one is not there: none is given
 * up), -EPROTONOSUPPORT (only a newer version may write there).
 */
int tmc_forget(struct tmc_repo *repo, const struct tmc_id *points, size_t nr);

struct tmc_prune_options {
	const struct tmc_id *points; /**< that go; every other one stays */
	size_t nr_points;
	bool dry_run; /**< only say what would go */
	uint64_t keep_journal_ns; /**< as tmc_journal_forget; 0: the journal is left alone */
	const char *journal_volume_id; /**< NULL: that of every volume */
	/**
	 * How long what goes stays readable, by the store's clock. 0 frees at once what no
	 * other program can be using: for a store on a local file system.
	 */
	uint64_t grace_ns;
	uint32_t repack_below_percent; /**< a pack goes of which less is needed: that is copied */
	uint64_t repack_bytes_max;     /**< copied in one prune: the room it needs for a while */
	/** What is worth to know, with a sentence valid during the call. */
	void (*say)(void *context, const char *text);
	void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *context; /**< of the two, which may be NULL */
};

struct tmc_prune_result {
	uint64_t points, kept_points;
	uint64_t packs, pack_bytes;     /**< that go */
	uint64_t copied_blobs, copied_bytes; /**< out of those of which something is needed */
	uint64_t indexes;               /**< that go; what is needed of them is in a new one */
	uint64_t freed_bytes;           /**< removed now, most of it given up by earlier prunes */
	uint64_t pending_bytes;         /**< given up, and to be freed by a later prune */
	uint64_t waiting_dooms;         /**< past their grace, kept by a program that is at work */
	uint64_t rescued_blobs;         /**< given up, and needed again by now */
	struct tmc_journal_forgotten journal;
};

/**
 * Give up points, and what no point that stays needs; free what earlier prunes have given
 * up and whose grace is over: docs/repository.md has the order. Nothing goes where anything
 * that is needed is damaged or cannot be listed. ret_result is set in every case. Not while
 * this handle backs up, copies or repairs. Errors: -EBUSY (another prune is running, or this
 * handle is in use), -ENOENT (one of the points is not there), -EBADMSG, -EINVAL (percent
 * above 100), -EPROTONOSUPPORT (only a newer version may write there).
 */
int tmc_prune(struct tmc_repo *repo, const struct tmc_prune_options *options,
	      struct tmc_prune_result *ret_result);

/**
 * Free what of the journal was given up more than grace_ns ago (see tmc_prune_options): as a
 * prune does, but that it looks at nothing else. Errors: -EBUSY (another prune is running),
 * as tmc_prune.
 */
int tmc_journal_sweep(struct tmc_repo *repo, uint64_t grace_ns, uint64_t *ret_bytes);

/* -------------------------------------------------------------------- repair */

struct tmc_repair_options {
	bool apply; /**< false: only say what is damaged, and what would be done */
	unsigned int nr_workers;
	/** What is damaged and what is done, with a sentence valid during the call. */
	void (*say)(void *context, const char *text);
	/**
	 * A range of a point is lost, now or some time before; ascending for each point. Of
	 * one point at most 2^20; the result counts them all.
	 */
	void (*lost)(void *context, const struct tmc_point *point, uint64_t offset,
		     uint64_t bytes);
	void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *context; /**< of the three, which may be NULL */
};

struct tmc_repair_result {
	uint64_t damaged_packs, missing_packs, damaged_indexes, damaged_notes;
	uint64_t damaged_dooms, damaged_ledgers; /**< that prunes leave: docs/repository.md */
	uint64_t salvaged_blobs, salvaged_bytes; /**< copied out of damaged packs */
	uint64_t rewritten_points; /**< whose lost chunks are marked unreadable now */
	uint64_t lost_points;      /**< the point object itself is damaged */
	uint64_t returned_points;  /**< whole again, back from aside/ */
	uint64_t lost_bytes;       /**< in all rewritten points */
	uint64_t put_aside;        /**< objects moved to aside/ */
	uint64_t damaged_segments; /**< of the journal: lost */
};

/**
 * Make a damaged repository sound: what can be read stays readable, what is lost is
 * named and marked, and no object is deleted: docs/repository.md says in which order.
 * Reads every byte first. Without apply nothing is written, and the counts are of what
 * would be done. ret_result is set in every case. Errors: -EBADMSG (without apply:
 * something is to be done; with it: the repository is sound again, but data is
 * lost), -EPROTONOSUPPORT (only a newer version may write there), -EBUSY (with apply: a
 * doom is damaged, and somebody else uses the repository).
 */
int tmc_repair(struct tmc_repo *repo, const struct tmc_repair_options *options,
	       struct tmc_repair_result *ret_result);

/**
 * Make the config of a repository anew that cannot be opened because it is missing or
 * damaged, from what its points say; the damaged one is put aside. Not of one that is
 * encrypted. How backups compress where nothing else is said becomes the usual again.
 * Use the newest Tidemark that has written there: what a newer one forbids older ones stood
 * in config alone. Returns 1 if that was done, 0 if config can be read. Errors: -EBADMSG
 * (without apply: it can be done; with it: too little is left to prove what it said),
 * -EMEDIUMTYPE (no repository).
 */
int tmc_repair_config(const char *path, bool apply);

struct tmc_index_repair {
	uint64_t packs;         /**< looked at */
	uint64_t damaged_packs; /**< in part: what can be read of them is indexed all the same */
	uint64_t added_blobs;   /**< chunks and nodes that no intact index knew */
	uint64_t put_aside;     /**< index objects, damaged, moved to aside/ */
};

/**
 * Rebuild what is lost or damaged of the index from the packs: one new index object
 * of all that no intact one knows; damaged ones are put aside once that is durable.
 * Reads footers and tree nodes of all packs, and every byte of packs whose footer is
 * damaged.
 * damage() is called for each damaged thing, with a sentence; NULL: nobody asks.
 * ret_result is set in every case. Errors: -EBADMSG (packs are damaged; the index is
 * rebuilt nevertheless), -EPROTONOSUPPORT (only a newer version may write there).
 */
int tmc_repair_index(struct tmc_repo *repo, void (*damage)(void *context, const char *text),
		     void *context, struct tmc_index_repair *ret_result);

#ifdef __cplusplus
}
#endif

#endif /* TIDEMARK_H */
