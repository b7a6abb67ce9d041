/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef VM_FILE_H
#define VM_FILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Read the whole of @path below @dirfd into @ret_data, to be freed by the
 * caller. Returns 0 or a negative errno (-ENOENT where there is no file).
 */
int file_read(int dirfd, const char *path, uint8_t **ret_data, size_t *ret_size);

#endif
