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
#include "common/clock_ns.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/zero.h"

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>

static const char type_letters[][5] = {
	[TMC_OBJECT_CONFIG] = "CONF",
	[TMC_OBJECT_PACK] = "PACK",
	[TMC_OBJECT_INDEX] = "INDX",
	[TMC_OBJECT_POINT] = "POIN",
	[TMC_OBJECT_KEY] = "KEYS",
};

#define INCOMPAT_KNOWN ((uint64_t)TMC_INCOMPAT_ENCRYPTED)

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
