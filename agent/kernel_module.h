/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Is dm-tidemark in the kernel, and can it work there?
 */
#ifndef AGENT_KERNEL_MODULE_H
#define AGENT_KERNEL_MODULE_H

#include <stdbool.h>

/** Load the module unless it is there. Errors: -ENOPKG, with a sentence. */
int kernel_module_load(void);

bool kernel_module_is_loaded(void);

/** Has someone switched function tracing off, which the module works with? */
bool kernel_module_tracing_is_off(void);

#endif
