// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The gate: a lock per CPU for those who pass, all of them for those who close.
 *
 * Passing must cost next to nothing, since each write on an attached disk does
 * it; closing happens a few times per backup. Interrupts are off inside because
 * a bio can be submitted from a completion handler. The arch locks keep the
 * preemption counter out of it: a machine has more CPUs than it can count.
 *
 * Not handled: fairness. Closing is rare and bounded by the number of CPUs.
 */
#include "gate.h"

DEFINE_PER_CPU_ALIGNED(arch_spinlock_t, tm_gate_lock) = __ARCH_SPIN_LOCK_UNLOCKED;

/* Serializes those who close, so that two of them cannot meet halfway. */
static arch_spinlock_t close_lock = __ARCH_SPIN_LOCK_UNLOCKED;

#ifdef CONFIG_LOCKDEP
static struct lock_class_key gate_key;
struct lockdep_map tm_gate_map = STATIC_LOCKDEP_MAP_INIT("tm_gate", &gate_key);
#endif

unsigned long tm_gate_close(void)
{
	unsigned long flags;
	int cpu;

	local_irq_save(flags);
	lock_map_acquire(&tm_gate_map);
	arch_spin_lock(&close_lock);
	for_each_possible_cpu(cpu)
		arch_spin_lock(per_cpu_ptr(&tm_gate_lock, cpu));
	return flags;
}

void tm_gate_open(unsigned long flags)
{
	int cpu;

	for_each_possible_cpu(cpu)
		arch_spin_unlock(per_cpu_ptr(&tm_gate_lock, cpu));
	arch_spin_unlock(&close_lock);
	lock_map_release(&tm_gate_map);
	local_irq_restore(flags);
}

void tm_gate_sync(void)
{
	tm_gate_open(tm_gate_close());
}
