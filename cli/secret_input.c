// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The terminal is /dev/tty: standard input may be the volume. ^C is read as a
 * character, so that the echo always comes back.
 */
#include "cli/secret_input.h"

#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>

static int check_file(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return failure_set(-errno, "%s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_mode & (S_IRWXG | S_IRWXO))
		return failure_set(-EPERM, "%s holds a secret and others may read it: chmod 600 it, "
				   "and consider to change the secret", path);
	return 0;
}

int secret_read_file(const char *path, char *ret_text, size_t bytes)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	int r = fd < 0 ? failure_set(-errno, "cannot open %s: %s", path, strerror(errno)) :
			 check_file(fd, path);

	while (r == 0) {
		ssize_t part = read(fd, ret_text + length, bytes - length);

		if (part < 0 && errno != EINTR)
			r = failure_set(-errno, "cannot read %s: %s", path, strerror(errno));
		if (part == 0)
			break;
		length += part > 0 ? (size_t)part : 0;
		if (length == bytes)
			r = failure_set(-E2BIG, "%s is too long for a secret", path);
	}
	if (r == 0 && memchr(ret_text, '\0', length))
		r = failure_set(-EINVAL, "%s holds a zero byte: it is no text", path);
	if (r < 0)
		explicit_bzero(ret_text, bytes);
	else
		ret_text[length] = '\0';
	return r;
}

static int read_line(int fd, char *ret_text, size_t bytes)
{
	size_t length = 0;
	char c;

	for (;;) {
		ssize_t part = read(fd, &c, 1);

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0 || c == '\n' || c == '\r')
			break;
		if (c == 3)
			return failure_set(-ECANCELED, "no passphrase was given");
		if (length == bytes - 1)
			return failure_set(-E2BIG, "the passphrase is too long");
		ret_text[length++] = c;
	}
	ret_text[length] = '\0';
	return 0;
}

int secret_ask(const char *prompt, char *ret_text, size_t bytes)
{
	CLEANUP_CLOSE int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios kept, quiet;
	int r;

	if (fd < 0 || tcgetattr(fd, &kept) < 0)
		return failure_set(-ENOTTY, "there is no terminal to ask for a passphrase");
	quiet = kept;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	dprintf(fd, "%s", prompt);
	tcsetattr(fd, TCSAFLUSH, &quiet);
	r = read_line(fd, ret_text, bytes);
	tcsetattr(fd, TCSAFLUSH, &kept);
	dprintf(fd, "\n");
	if (r < 0)
		explicit_bzero(ret_text, bytes);
	return r;
}

/* Twice: the kernel's dumps are off, and gcore(1), which root may use, leaves memory out. */
void secret_protect_process(void)
{
	static const struct rlimit none;
	CLEANUP_CLOSE int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0\n", 2) < 0)
		fd = fd; /* an old kernel: the other two remain */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}
