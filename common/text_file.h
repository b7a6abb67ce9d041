/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Small text files: of /sys and /proc, one value on the first line; and our own.
 */
#ifndef COMMON_TEXT_FILE_H
#define COMMON_TEXT_FILE_H

#include <stddef.h>
#include <stdint.h>

/**
 * The first line of a file, without leading and trailing white space, cut off at
 * size - 1 bytes. The path is made from format. Errors: those of open and read;
 * *ret_text is empty then.
 */
int text_file_line(char *ret_text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** The same for one decimal number. Errors: also -EINVAL (no number). */
int text_file_number(uint64_t *ret_number, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * Replace a file as a whole, durably; directories are made. Beside it "<path>.new" is used.
 * Errors: those of the system.
 */
int text_file_replace(const char *path, const char *content);

#endif
