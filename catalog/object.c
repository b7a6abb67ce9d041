// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The CRC only tells a damaged header from a newer one; what proves an object is
 * its name, and in an encrypted repository its tag.
 */
#include "catalog/object.h"

#include "catalog/id.h"
#include "catalog/keys.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/zero.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

static const char type_letters[][5] = {
	[TMC_OBJECT_CONFIG] = "CONF",
	[TMC_OBJECT_PACK] = "PACK",
	[TMC_OBJECT_INDEX] = "INDX",
	[TMC_OBJECT_POINT] = "POIN",
	[TMC_OBJECT_DOOM] = "DOOM",
	[TMC_OBJECT_LEDGER] = "LEDG",
	[TMC_OBJECT_NOTE] = "NOTE",
	[TMC_OBJECT_KEY] = "KEYS",
	[TMC_OBJECT_JOURNAL] = "JRNL",
};

#define INCOMPAT_KNOWN ((uint64_t)(TMC_INCOMPAT_ENCRYPTED | TMC_INCOMPAT_ZSTD | \
					 TMC_INCOMPAT_SEGMENTS))

static uint32_t header_crc(const struct tmc_object_header_disk *header)
{
	return crc32c(0, header, offsetof(struct tmc_object_header_disk, crc));
}

/* Config says it for the repository; a key slot is sealed in its own way. */
static bool is_sealed(enum tmc_object_type type, const struct tmc_keys *keys)
{
	return tmc_keys_is_encrypted(keys) && type != TMC_OBJECT_KEY;
}

static int check_sealed(const struct tmc_object_header_disk *header, enum tmc_object_type type,
			const struct tmc_keys *keys, const char *what)
{
	bool sealed = get_le64(header->incompat) & TMC_INCOMPAT_ENCRYPTED;

	if (sealed && !is_sealed(type, keys))
		return failure_set(-EBADMSG, "%s is encrypted, its repository is not: one of them "
				   "has been changed or exchanged", what);
	if (!sealed && is_sealed(type, keys))
		return failure_set(-EBADMSG, "%s is not encrypted, its repository is: it has been "
				   "put there by somebody without the key", what);
	return sealed ? tmc_keys_check(keys) : 0;
}

int tmc_object_header_init(struct tmc_object_header_disk *header, enum tmc_object_type type,
			   const struct tmc_keys *keys)
{
	memset(header, 0, sizeof(*header));
	memcpy(header->magic, TMC_MAGIC, sizeof(header->magic));
	memcpy(header->type, type_letters[type], sizeof(header->type));
	header->version = put_le16(TMC_FORMAT_VERSION);
	header->header_bytes = put_le16(sizeof(*header));
	header->incompat = put_le64(is_sealed(type, keys) ? TMC_INCOMPAT_ENCRYPTED : 0);
	header->repo_id = *tmc_keys_repo_id(keys);
	if (getrandom(header->unique, sizeof(header->unique), 0) != sizeof(header->unique))
		return failure_set(-EIO, "the kernel gives no random numbers");
	header->begun_ns = put_le64(clock_ns(CLOCK_REALTIME));
	header->crc = put_le32(header_crc(header));
	return 0;
}

void tmc_object_header_mark(struct tmc_object_header_disk *header, enum tmc_incompat incompat)
{
	header->incompat = put_le64(get_le64(header->incompat) | incompat);
	header->crc = put_le32(header_crc(header));
}

void tmc_object_header_require(struct tmc_object_header_disk *header, uint64_t ro_compat)
{
	header->ro_compat = put_le64(get_le64(header->ro_compat) | ro_compat);
	header->crc = put_le32(header_crc(header));
}

int tmc_object_header_check(const struct tmc_object_header_disk *header, enum tmc_object_type type,
			    const struct tmc_keys *keys, const char *what, uint64_t *ret_ro_compat)
{
	uint64_t unknown = get_le64(header->incompat) & ~INCOMPAT_KNOWN;

	if (memcmp(header->magic, TMC_MAGIC, sizeof(header->magic)))
		return failure_set(-EBADMSG, "%s is damaged: it does not begin as an object of "
				   "Tidemark does", what);
	if (get_le32(header->crc) != header_crc(header))
		return failure_set(-EBADMSG, "%s is damaged: its header fails its checksum", what);
	if (get_le16(header->version) > TMC_FORMAT_VERSION)
		return failure_set(-EPROTONOSUPPORT, "%s was written by a newer Tidemark (format "
				   "version %u, this one knows %u): install a newer version", what,
				   get_le16(header->version), TMC_FORMAT_VERSION);
	if (unknown)
		return failure_set(-EPROTONOSUPPORT, "%s uses features that this Tidemark does not "
				   "know (bits %#llx): install a newer version", what,
				   (unsigned long long)unknown);
	if (!get_le16(header->version) || get_le16(header->header_bytes) != sizeof(*header) ||
	    !is_zero(header->zero, sizeof(header->zero)))
		return failure_set(-EBADMSG, "%s is damaged: its header makes no sense", what);
	if (memcmp(header->type, type_letters[type], sizeof(header->type)))
		return failure_set(-EBADMSG, "%s is damaged: it is an object of type %.4s where "
				   "%s belongs", what, (const char *)header->type,
				   type_letters[type]);
	if (keys && !tmc_id_equal(&header->repo_id, tmc_keys_repo_id(keys)))
		return failure_set(-EBADMSG, "%s belongs to another repository", what);
	if (ret_ro_compat)
		*ret_ro_compat = get_le64(header->ro_compat);
	return keys ? check_sealed(header, type, keys, what) : 0;
}

/* --------------------------------------------------------------- whole objects */

#define HEADER_BYTES sizeof(struct tmc_object_header_disk)

static size_t tag_bytes(const struct tmc_object_kind *kind, const struct tmc_keys *keys)
{
	return is_sealed(kind->type, keys) ? TMC_TAG_BYTES : 0;
}

static void make_nonce(uint8_t ret_nonce[TMC_NONCE_BYTES], const uint8_t *image)
{
	memset(ret_nonce, 0, TMC_NONCE_BYTES);
	memcpy(ret_nonce, image + offsetof(struct tmc_object_header_disk, unique), TMC_UNIQUE_BYTES);
}

/* bytes: of header and body; the tag comes after, or is there. */
static int seal_body(struct tmc_keys *keys, uint8_t *image, size_t bytes)
{
	struct tmc_aead *aead = tmc_keys_get_aead(keys, TMC_KEY_OBJECT);
	uint8_t nonce[TMC_NONCE_BYTES];
	int ret;

	if (!aead)
		return failure_set(-ENOMEM, "out of memory");
	make_nonce(nonce, image);
	ret = tmc_aead_seal(aead, nonce, image, HEADER_BYTES, image + HEADER_BYTES,
			    bytes - HEADER_BYTES, image + HEADER_BYTES);
	tmc_keys_put_aead(keys, TMC_KEY_OBJECT, aead);
	return ret;
}

static int open_body(struct tmc_keys *keys, uint8_t *image, size_t bytes, const char *what)
{
	struct tmc_aead *aead = tmc_keys_get_aead(keys, TMC_KEY_OBJECT);
	uint8_t nonce[TMC_NONCE_BYTES];
	int ret;

	if (!aead)
		return failure_set(-ENOMEM, "out of memory");
	make_nonce(nonce, image);
	ret = tmc_aead_open(aead, nonce, image, HEADER_BYTES, image + HEADER_BYTES,
			    bytes - HEADER_BYTES, image + HEADER_BYTES);
	tmc_keys_put_aead(keys, TMC_KEY_OBJECT, aead);
	return ret == -EBADMSG ? failure_set(ret, "%s is damaged: it is not what was encrypted",
					     what) : ret;
}

static int hash_of(const struct tmc_object_kind *kind, const struct tmc_keys *keys,
		   const void *image, size_t bytes, struct tmc_id *ret_id)
{
	CLEANUP_HASH struct tmc_hash *hash =
		tmc_hash_create(is_sealed(kind->type, keys) ? keys : NULL);

	return hash ? tmc_hash_once(hash, image, bytes, ret_id) :
		      failure_set(-ENOMEM, "out of memory");
}

static int write_object(struct tmc_store *store, const struct tmc_object_kind *kind,
			const void *image, size_t bytes, const struct tmc_id *id)
{
	struct tmc_draft *draft;
	int ret = tmc_store_begin(store, &draft);

	if (ret < 0)
		return ret;
	ret = tmc_store_write(draft, image, bytes);
	if (ret < 0) {
		tmc_store_discard(draft);
		return ret;
	}
	return tmc_store_seal(draft, kind->store_kind, id);
}

int tmc_object_store_image(struct tmc_store *store, struct tmc_keys *keys,
			   const struct tmc_object_kind *kind, const void *image, size_t bytes,
			   struct tmc_id *ret_id)
{
	int ret = hash_of(kind, keys, image, bytes, ret_id);

	return ret ? ret : write_object(store, kind, image, bytes, ret_id);
}

int tmc_object_store(struct tmc_store *store, struct tmc_keys *keys,
		     const struct tmc_object_kind *kind, void *image, size_t bytes,
		     struct tmc_id *ret_id)
{
	size_t all_bytes = bytes + tag_bytes(kind, keys);
	CLEANUP_FREE uint8_t *disk = malloc(all_bytes);
	struct tmc_object_header_disk header;
	int ret = tmc_keys_check(keys);

	if (ret < 0)
		return ret;
	if (!disk)
		return failure_set(-ENOMEM, "out of memory");
	ret = tmc_object_header_init(&header, kind->type, keys);
	if (ret < 0)
		return ret;
	tmc_object_header_mark(&header, kind->incompat);
	memcpy(image, &header, sizeof(header));
	memcpy(disk, image, bytes);
	if (all_bytes > bytes)
		ret = seal_body(keys, disk, bytes);
	return ret ? ret : tmc_object_store_image(store, keys, kind, disk, all_bytes, ret_id);
}

static int read_object(struct tmc_store *store, const struct tmc_object_kind *kind,
		       const struct tmc_id *id, const char *what, uint8_t **ret_disk,
		       size_t *ret_bytes)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;
	int ret = tmc_store_get(store, kind->store_kind, id, &fd, &bytes);

	if (ret < 0)
		return ret;
	if (bytes < kind->bytes_min || bytes > kind->bytes_max)
		return failure_set(-EBADMSG, "%s is damaged: its size makes no sense", what);
	*ret_disk = malloc(bytes);
	if (!*ret_disk)
		return failure_set(-ENOMEM, "out of memory");
	*ret_bytes = bytes;
	ret = io_read_full(fd, *ret_disk, bytes, 0);
	return ret < 0 ? failure_set(ret == -ENODATA ? -EBADMSG : ret, "cannot read %s: %s", what,
				     strerror(-ret)) : 0;
}

/* Nothing of the body is looked at before the name has been proved, and the tag. */
static int prove_object(struct tmc_keys *keys, const struct tmc_object_kind *kind,
			const struct tmc_id *id, const char *what, uint8_t *disk, size_t *bytes)
{
	size_t tag = tag_bytes(kind, keys);
	struct tmc_object_header_disk header;
	struct tmc_id real_id;
	int ret;

	memcpy(&header, disk, sizeof(header));
	ret = tmc_object_header_check(&header, kind->type, keys, what, NULL);
	if (!ret)
		ret = hash_of(kind, keys, disk, *bytes, &real_id);
	if (ret < 0)
		return ret;
	if (!tmc_id_equal(&real_id, id))
		return failure_set(-EBADMSG, "%s is damaged: it is not what its name says", what);
	if (*bytes < kind->bytes_min + tag)
		return failure_set(-EBADMSG, "%s is damaged: its size makes no sense", what);
	*bytes -= tag;
	return tag ? open_body(keys, disk, *bytes, what) : 0;
}

int tmc_object_load(struct tmc_store *store, struct tmc_keys *keys,
		    const struct tmc_object_kind *kind, const struct tmc_id *id,
		    uint8_t **ret_image, size_t *ret_bytes)
{
	CLEANUP_FREE uint8_t *disk = NULL;
	char text[TMC_STORE_TEXT];
	int ret;

	tmc_store_describe(store, kind->store_kind, id, text);
	ret = read_object(store, kind, id, text, &disk, ret_bytes);
	if (!ret)
		ret = prove_object(keys, kind, id, text, disk, ret_bytes);
	if (ret < 0)
		return ret;
	*ret_image = disk;
	disk = NULL;
	return 0;
}
