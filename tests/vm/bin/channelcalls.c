// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   channelcalls MAPPED user | capability | namespace
 *       As another user, as root without CAP_SYS_ADMIN, as root of a new user
 *       namespace: opening /dev/tidemark, and each call on a channel that was opened
 *       and bound before, ends in EPERM.
 *   channelcalls MAPPED ring-beyond-memory
 *       A ring of 1 GiB where there is less memory: ENOMEM, and we live.
 *   channelcalls MAPPED after-close
 *       A channel is closed when the last of its descriptors and mappings is gone: a
 *       child's copy keeps it bound, so does each mapping, and the cut goes on.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../include/uapi/tidemark.h"

#define PAGE       4096
#define RING_BYTES (1U << 20)

static struct tidemark_devno mapped;
static int dev; /* the directory: a guest's "/" is root's alone */

static int open_channel(void)
{
	return openat(dev, TIDEMARK_DEVICE_NAME, O_RDWR | O_CLOEXEC);
}

static int bind_channel(int channel, uint32_t ring_bytes)
{
	struct tidemark_bind bind = { .abi = TIDEMARK_ABI_VERSION, .mapped = mapped,
				      .ring_bytes = ring_bytes };

	return ioctl(channel, TIDEMARK_IOC_BIND, &bind);
}

static int bound_channel(void)
{
	int channel = open_channel();

	if (channel < 0 || bind_channel(channel, RING_BYTES))
		err(1, "as root of the host");
	return channel;
}

static int cut(int channel)
{
	struct tidemark_cut_volume volume = { .channel_fd = channel, .flags = TIDEMARK_CUT_FULL };
	struct tidemark_cut cut = { .nr_volumes = 1, .volumes = (uintptr_t)&volume };

	return ioctl(channel, TIDEMARK_IOC_CUT, &cut);
}

static void want_eperm(int result, const char *call)
{
	if (result >= 0 || errno != EPERM)
		errx(1, "%s: %s", call, result < 0 ? strerror(errno) : "success");
}

/* --------------------------------------------------------------- who is to be refused */

static void become_user(void)
{
	if (setgid(65534) || setuid(65534))
		err(1, "setuid");
}

static void drop_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps))
		err(1, "capget");
	caps[0].effective &= ~(1U << CAP_SYS_ADMIN);
	caps[0].permitted &= ~(1U << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &head, caps))
		err(1, "capset");
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

static void become_root_of_namespace(void)
{
	if (unshare(CLONE_NEWUSER))
		err(1, "unshare");
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", "0 0 1");
	write_file("/proc/self/gid_map", "0 0 1");
}

static void refused(void (*become)(void))
{
	int channel = bound_channel(), unbound = open_channel();
	struct tidemark_read_frozen read = { 0 };
	struct tidemark_release release = { 0 };
	struct tidemark_dirty dirty = { 0 };
	struct tidemark_info info;
	struct tidemark_end end = { 0 };

	become();
	want_eperm(open_channel(), "open");
	want_eperm(bind_channel(unbound, RING_BYTES), "BIND");
	want_eperm(ioctl(channel, TIDEMARK_IOC_INFO, &info), "INFO");
	want_eperm(cut(channel), "CUT");
	want_eperm(ioctl(channel, TIDEMARK_IOC_READ_FROZEN, &read), "READ_FROZEN");
	want_eperm(ioctl(channel, TIDEMARK_IOC_RELEASE, &release), "RELEASE");
	want_eperm(ioctl(channel, TIDEMARK_IOC_END, &end), "END");
	want_eperm(ioctl(channel, TIDEMARK_IOC_DIRTY, &dirty), "DIRTY");
	want_eperm(ioctl(channel, _IO(TIDEMARK_IOC_MAGIC, 99), 0), "an unknown call");
}

/* ---------------------------------------------------------------------------- the rest */

static void ring_beyond_memory(void)
{
	int channel = open_channel();

	if (bind_channel(channel, TIDEMARK_RING_BYTES_MAX) != -1 || errno != ENOMEM)
		errx(1, "a ring of 1 GiB: %s", strerror(errno));
	if (bind_channel(channel, RING_BYTES))
		err(1, "and then one of 1 MiB");
}

static void still_bound(const char *by)
{
	int another = open_channel();

	if (bind_channel(another, RING_BYTES) != -1 || errno != EBUSY)
		errx(1, "%s keeps the channel, and yet another can be bound", by);
	close(another);
}

static void kept_by_child(void)
{
	int channel = bound_channel(), status;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	close(channel);
	still_bound("a child");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

static void kept_by_mapping(void)
{
	int channel = bound_channel();
	struct tidemark_ring_producer *producer =
		mmap(NULL, PAGE, PROT_READ, MAP_SHARED, channel, PAGE);

	if (producer == MAP_FAILED || cut(channel))
		err(1, "as root of the host");
	close(channel);
	still_bound("a mapping");
	if (producer->cut_state != TIDEMARK_CUT_ACTIVE)
		errx(1, "the cut of a channel that is not closed has ended");
	munmap(producer, PAGE);
}

static void after_close(void)
{
	kept_by_child();
	kept_by_mapping();
	if (cut(bound_channel()))
		err(1, "a cut by the one after them");
}

int main(int argc, char **argv)
{
	const char *what = argc == 3 ? argv[2] : "";
	struct stat st;

	if (argc != 3 || stat(argv[1], &st))
		errx(1, "channelcalls MAPPED WHAT");
	dev = open("/dev", O_PATH | O_CLOEXEC);
	mapped = (struct tidemark_devno){ major(st.st_rdev), minor(st.st_rdev) };
	if (!strcmp(what, "user"))
		refused(become_user);
	else if (!strcmp(what, "capability"))
		refused(drop_capability);
	else if (!strcmp(what, "namespace"))
		refused(become_root_of_namespace);
	else if (!strcmp(what, "ring-beyond-memory"))
		ring_beyond_memory();
	else if (!strcmp(what, "after-close"))
		after_close();
	else
		errx(1, "%s: what?", what);
	return 0;
}
