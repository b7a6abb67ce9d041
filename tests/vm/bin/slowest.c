// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   slowest DEVICE BYTES    overwrite the device in direct writes of that size
 *
 * Each write must succeed. Prints "writes N slowest N ms".
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	size_t bytes = argc == 3 ? (size_t)atol(argv[2]) : 0;
	double start, slowest = 0;
	void *buffer;
	off_t at, end;
	int fd;

	if (!bytes || bytes % 4096)
		errx(1, "slowest DEVICE BYTES");
	fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	buffer = aligned_alloc(4096, bytes);
	if (end < 0 || !buffer)
		err(1, "%s", argv[1]);
	for (at = 0; at + (off_t)bytes <= end; at += (off_t)bytes) {
		memset(buffer, (int)(now_ms()), bytes);
		start = now_ms();
		if (pwrite(fd, buffer, bytes, at) != (ssize_t)bytes)
			err(1, "%s at %lld", argv[1], (long long)at);
		if (now_ms() - start > slowest)
			slowest = now_ms() - start;
	}
	printf("writes %lld slowest %.0f ms\n", (long long)(end / (off_t)bytes), slowest);
	return close(fd) ? 1 : 0;
}
