/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_CHANNEL_H
#define TM_CHANNEL_H

struct tm_channel;
struct tm_ring;

/* /dev/tidemark. */
int tm_channel_init(void);
void tm_channel_exit(void);

/* The ring of a bound channel. */
struct tm_ring *tm_channel_ring(struct tm_channel *channel);

#endif
