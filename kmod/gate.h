/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_GATE_H
#define TM_GATE_H

#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

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
DECLARE_PER_CPU_ALIGNED(arch_spinlock_t, tm_gate_lock);
#ifdef CONFIG_LOCKDEP
extern struct lockdep_map tm_gate_map;
#endif

static __always_inline unsigned long tm_gate_enter(void)
{
	unsigned long flags;

	local_irq_save(flags);
	lock_map_acquire(&tm_gate_map);
	arch_spin_lock(this_cpu_ptr(&tm_gate_lock));
	return flags;
}

static __always_inline void tm_gate_exit(unsigned long flags)
{
	arch_spin_unlock(this_cpu_ptr(&tm_gate_lock));
	lock_map_release(&tm_gate_map);
	local_irq_restore(flags);
}

/* For tm_*_locked functions: the caller is inside, or has closed the gate. */
static inline void tm_gate_assert_held(void)
{
#ifdef CONFIG_LOCKDEP
	lockdep_assert(lock_is_held(&tm_gate_map));
#endif
}

unsigned long tm_gate_close(void);
void tm_gate_open(unsigned long flags);

/* Close and open: what was stored before is seen by all that enter after. */
void tm_gate_sync(void);

#endif
