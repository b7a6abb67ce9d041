/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_SERVE_TARGET_H
#define TM_SERVE_TARGET_H

int tm_serve_target_init(void);
void tm_serve_target_exit(void);

#endif
