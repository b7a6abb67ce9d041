/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_GATE_H
#define TM_GATE_H

/*
 * Every write to an attached disk passes the gate; who closes it stands alone.
 *
 * tm_gate_enter() and tm_gate_exit() bracket a short piece of code that must be
 * wholly before or wholly after an instant: it disables interrupts and takes a
 * lock of its own CPU that is free unless the gate is being closed. Any context.
 *
 * tm_gate_close() waits for everyone inside (each is there for less than a
 * microsecond per 64 chunks) and keeps everyone out until tm_gate_open(). The
 * caller must not sleep, allocate or wait in between. Any context but inside.
 */
unsigned long tm_gate_enter(void);
void tm_gate_exit(unsigned long flags);

unsigned long tm_gate_close(void);
void tm_gate_open(unsigned long flags);

/* Close and open: what was stored before is seen by all that enter after. */
void tm_gate_sync(void);

/* For tm_*_locked functions: the caller is inside, or has closed the gate. */
void tm_gate_assert_held(void);

#endif
