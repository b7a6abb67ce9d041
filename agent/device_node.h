/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The node of a block device below /dev, which may be another one's by the time it is opened.
 */
#ifndef AGENT_DEVICE_NODE_H
#define AGENT_DEVICE_NODE_H

#include "common/block_tree.h"

/**
 * Open it for reading, with these flags besides, and see that it is this device. The descriptor
 * is the caller's. Errors, with a sentence: -ENXIO (it is gone), those of opening it.
 */
int device_node_open(const struct block_tree *tree, dev_t device, int flags);

/** -ENXIO and the sentence. */
int device_node_gone(dev_t device);

#endif
