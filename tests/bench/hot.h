/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Marks in a guest's program for hot.c: instructions of 8 bytes that do nothing, with
 * a displacement nobody else uses.
 */
#ifndef HOT_H
#define HOT_H

#define HOT_START_BYTES { 0x0f, 0x1f, 0x84, 0x00, 'T', 'm', 's', '1' }
#define HOT_STOP_BYTES  { 0x0f, 0x1f, 0x84, 0x00, 'T', 'm', 's', '0' }
#define HOT_START()     __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"Tms1\"")
#define HOT_STOP()      __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"Tms0\"")

#endif
