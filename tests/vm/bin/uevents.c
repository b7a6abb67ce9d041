// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Prints the variables TIDEMARK_* of the kernel's uevents as they come, one event to
 * a line behind the device's name, until it is killed. There is no udev to do it.
 */
#include <err.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void print_event(const char *event, const char *end)
{
	const char *name = "?", *word;
	char line[1024] = "";

	for (word = event; word < end; word += strlen(word) + 1) {
		if (!strncmp(word, "DEVNAME=", 8))
			name = word + 8;
		if (!strncmp(word, "TIDEMARK_", 9) && strlen(line) + strlen(word) + 2 < sizeof(line))
			strcat(strcat(line, " "), word);
	}
	if (*line) {
		printf("%s%s\n", name, line);
		fflush(stdout);
	}
}

int main(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int s = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	char event[8193];
	ssize_t n;

	if (s < 0 || bind(s, (struct sockaddr *)&kernel, sizeof(kernel)))
		err(1, "netlink");
	while ((n = recv(s, event, sizeof(event) - 1, 0)) > 0) {
		event[n] = 0;
		print_event(event, event + n);
	}
	err(1, "netlink");
}
