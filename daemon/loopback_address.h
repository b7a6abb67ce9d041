/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * An address of this host that no other host reaches, as people write it: "127.0.0.1:9735",
 * "[::1]:9735". No names: what they mean can change.
 */
#ifndef DAEMON_LOOPBACK_ADDRESS_H
#define DAEMON_LOOPBACK_ADDRESS_H

#include <netinet/in.h>

union loopback_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/**
 * Port 0 is one that is free. Errors: -EINVAL (is none), -EPERM (others reach it); the
 * sentence has no subject.
 */
int loopback_address_parse(const char *text, union loopback_address *ret_address);

/** In bytes. */
socklen_t loopback_address_size(const union loopback_address *address);

#endif
