/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_TARGET_H
#define TM_TARGET_H

/* Registers the target type "tidemark" with device-mapper. */
int tm_target_init(void);
void tm_target_exit(void);

#endif
