// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/loopback_address.h"
#include "common/failure.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(void)
{
	return failure_set(-EINVAL, "is no address; give one as 127.0.0.1:9735 or [::1]:9735");
}

static bool parse_port(const char *text, in_port_t *ret_port)
{
	char *end;
	unsigned long port;

	if (!isdigit((unsigned char)*text) || strlen(text) > 5)
		return false;
	port = strtoul(text, &end, 10);
	*ret_port = htons((in_port_t)port);
	return !*end && port <= 65535;
}

static int parse_v6(const char *text, union loopback_address *ret_address)
{
	char host[INET6_ADDRSTRLEN];
	int used = 0;

	ret_address->v6.sin6_family = AF_INET6;
	if (sscanf(text, "[%45[0-9a-fA-F:.]]:%n", host, &used) != 1 || !used ||
	    inet_pton(AF_INET6, host, &ret_address->v6.sin6_addr) != 1 ||
	    !parse_port(text + used, &ret_address->v6.sin6_port))
		return refuse();
	return 0;
}

static int parse_v4(const char *text, union loopback_address *ret_address)
{
	char host[INET_ADDRSTRLEN];
	int used = 0;

	ret_address->v4.sin_family = AF_INET;
	if (sscanf(text, "%15[0-9.]:%n", host, &used) != 1 || !used ||
	    inet_pton(AF_INET, host, &ret_address->v4.sin_addr) != 1 ||
	    !parse_port(text + used, &ret_address->v4.sin_port))
		return refuse();
	return 0;
}

static bool is_loopback(const union loopback_address *address)
{
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
	return ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

int loopback_address_parse(const char *text, union loopback_address *ret_address)
{
	union loopback_address address;
	int r;

	memset(&address, 0, sizeof(address));
	r = *text == '[' ? parse_v6(text, &address) : parse_v4(text, &address);
	if (r < 0)
		return r;
	if (!is_loopback(&address))
		return failure_set(-EPERM, "can be reached by other hosts, which neither have to prove "
				   "who they are nor are hidden what they read; listen on "
				   "127.0.0.1 or [::1] and put a reverse proxy in front");
	*ret_address = address;
	return 0;
}

socklen_t loopback_address_size(const union loopback_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}
