/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_SERVE_CHANNEL_H
#define TM_SERVE_CHANNEL_H

int tm_serve_channel_init(void);
void tm_serve_channel_exit(void);

#endif
