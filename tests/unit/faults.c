// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One plan for the process. Calls are counted over all threads, so that which call
 * is the n-th may differ from run to run: a sweep over all n does not mind.
 */
#include "faults.h"

#include "catalog/codec.h"
#include "common/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct {
	enum fault fault;
	unsigned int at;
	atomic_uint nr; /* calls so far */
	atomic_bool fired, sync_ignored;
	_Atomic uint64_t unsynced; /* inode of the file whose sync has failed; 0: none */
} plan;

static bool fires(void)
{
	unsigned int nr = ++plan.nr;

	if (plan.fault == FAULT_KILL ? nr < plan.at : nr != plan.at)
		return false;
	plan.fired = true;
	errno = plan.fault == FAULT_ENOSPC ? ENOSPC :
		plan.fault == FAULT_EINTR ? EINTR :
		plan.fault == FAULT_MEMORY ? ENOMEM : EIO;
	return true;
}

/* --------------------------------------------------------------- calls of the system */

static bool fails_like_a_read(void)
{
	return plan.fault == FAULT_EIO && fires();
}

static bool fails_like_a_write(void)
{
	return (plan.fault == FAULT_EIO || plan.fault == FAULT_ENOSPC ||
		plan.fault == FAULT_KILL) && fires();
}

static bool is_interrupted(void)
{
	return plan.fault == FAULT_EINTR && fires();
}

static bool is_short(void)
{
	return plan.fault == FAULT_SHORT && fires();
}

static int faulty_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	if (is_interrupted() || (flags & O_CREAT ? fails_like_a_write() : fails_like_a_read()))
		return -1;
	return io_ops_system.openat(dir_fd, name, flags, mode);
}

static int faulty_mkdirat(int dir_fd, const char *name, mode_t mode)
{
	return fails_like_a_write() ? -1 : io_ops_system.mkdirat(dir_fd, name, mode);
}

static ssize_t faulty_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	if (is_interrupted() || fails_like_a_write())
		return -1;
	return io_ops_system.pwrite(fd, data, is_short() ? (bytes + 1) / 2 : bytes, offset);
}

static ssize_t faulty_pread(int fd, void *data, size_t bytes, off_t offset)
{
	if (is_interrupted() || fails_like_a_read())
		return -1;
	return io_ops_system.pread(fd, data, is_short() ? (bytes + 1) / 2 : bytes, offset);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static int faulty_fsync(int fd)
{
	if (plan.unsynced && plan.unsynced == inode_of(fd))
		plan.sync_ignored = true;
	if (!fails_like_a_write())
		return io_ops_system.fsync(fd);
	plan.unsynced = inode_of(fd);
	errno = plan.fault == FAULT_ENOSPC ? ENOSPC : EIO;
	return -1;
}

static int faulty_renameat(int old_dir_fd, const char *old_name, int new_dir_fd,
			   const char *new_name, unsigned int flags)
{
	struct stat st;

	if (plan.unsynced && !fstatat(old_dir_fd, old_name, &st, 0) && st.st_ino == plan.unsynced)
		plan.sync_ignored = true;
	if (fails_like_a_write())
		return -1;
	return io_ops_system.renameat(old_dir_fd, old_name, new_dir_fd, new_name, flags);
}

static int faulty_unlinkat(int dir_fd, const char *name, int flags)
{
	return fails_like_a_write() ? -1 : io_ops_system.unlinkat(dir_fd, name, flags);
}

static const struct io_ops faulty_ops = {
	.openat = faulty_openat,
	.mkdirat = faulty_mkdirat,
	.pread = faulty_pread,
	.pwrite = faulty_pwrite,
	.fsync = faulty_fsync,
	.renameat = faulty_renameat,
	.unlinkat = faulty_unlinkat,
	.futimens = futimens,
};

/* -------------------------------------------------------------------- compressor */

/* An LZ4 block ends in literals: another last byte decodes to something else. */
static uint32_t faulty_compress(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
				void *ret_stored, uint32_t capacity, enum tmc_codec_kind *ret_kind)
{
	uint32_t bytes = tmc_codec_ops_real.compress(codec, raw, raw_bytes, ret_stored, capacity,
						     ret_kind);

	if (bytes && plan.fault == FAULT_CODEC && fires())
		((uint8_t *)ret_stored)[bytes - 1] ^= 1;
	return bytes;
}

static struct tmc_codec_ops faulty_codec;

/* ------------------------------------------------------------------------ plan */

void faults_arm(enum fault fault, unsigned int at)
{
	plan.at = at;
	plan.nr = 0;
	plan.fired = false;
	plan.sync_ignored = false;
	plan.unsynced = 0;
	plan.fault = fault;
	io_ops = &faulty_ops;
	faulty_codec = tmc_codec_ops_real;
	faulty_codec.compress = faulty_compress;
	tmc_codec_ops = &faulty_codec;
}

void faults_disarm(void)
{
	plan.fault = FAULT_NONE;
	io_ops = &io_ops_system;
	tmc_codec_ops = &tmc_codec_ops_real;
}

bool faults_fired(void)
{
	return plan.fired;
}

bool faults_sync_was_ignored(void)
{
	return plan.sync_ignored;
}

/* ------------------------------------------------------------------- allocators */

#define NO_MEMORY() (plan.fault == FAULT_MEMORY && fires())

/* The Makefile lists these by name. */
void *faulty_malloc(size_t bytes);
void *faulty_calloc(size_t nr, size_t bytes);
void *faulty_realloc(void *old, size_t bytes);
void *faulty_reallocarray(void *old, size_t nr, size_t bytes);
void *faulty_aligned_alloc(size_t alignment, size_t bytes);
int faulty_posix_memalign(void **ret, size_t alignment, size_t bytes);
char *faulty_strdup(const char *text);
DIR *faulty_fdopendir(int fd);
int faulty_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *), void *context);
EVP_MD_CTX *faulty_EVP_MD_CTX_new(void);

void *faulty_malloc(size_t bytes)
{
	return NO_MEMORY() ? NULL : malloc(bytes);
}

void *faulty_calloc(size_t nr, size_t bytes)
{
	return NO_MEMORY() ? NULL : calloc(nr, bytes);
}

void *faulty_realloc(void *old, size_t bytes)
{
	return NO_MEMORY() ? NULL : realloc(old, bytes);
}

void *faulty_reallocarray(void *old, size_t nr, size_t bytes)
{
	return NO_MEMORY() ? NULL : reallocarray(old, nr, bytes);
}

void *faulty_aligned_alloc(size_t alignment, size_t bytes)
{
	return NO_MEMORY() ? NULL : aligned_alloc(alignment, bytes);
}

int faulty_posix_memalign(void **ret, size_t alignment, size_t bytes)
{
	return NO_MEMORY() ? ENOMEM : posix_memalign(ret, alignment, bytes);
}

char *faulty_strdup(const char *text)
{
	return NO_MEMORY() ? NULL : strdup(text);
}

DIR *faulty_fdopendir(int fd)
{
	return NO_MEMORY() ? NULL : fdopendir(fd);
}

int faulty_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *), void *context)
{
	return NO_MEMORY() ? EAGAIN : pthread_create(thread, attributes, run, context);
}

EVP_MD_CTX *faulty_EVP_MD_CTX_new(void)
{
	return NO_MEMORY() ? NULL : EVP_MD_CTX_new();
}
