/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The contract between the target tidemark-serve and the program that answers its
 * requests. docs/serve.md says who owns a request when.
 *
 * A server opens /dev/tidemark-serve (CAP_SYS_ADMIN), binds it to a queue of a mapped
 * device, maps the slots, and makes turns: each hands in answers, and waits for requests.
 * Several threads may make turns of one server at once. Closing it gives what was not
 * answered to whoever binds the queue next.
 *
 * A request with data has it in its slot, tag * slot_bytes into the mapping: a write's is
 * there when it comes, a read's is put there before it is answered.
 */
#ifndef TIDEMARK_SERVE_UAPI_H
#define TIDEMARK_SERVE_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TIDEMARK_SERVE_TARGET_NAME "tidemark-serve"
#define TIDEMARK_SERVE_DEVICE_NAME "tidemark-serve"
#define TIDEMARK_SERVE_ABI_VERSION 1u

#define TIDEMARK_SERVE_QUEUES_MAX 16u
#define TIDEMARK_SERVE_TAGS_MAX   256u
#define TIDEMARK_SERVE_SLOT_MAX   (1u << 20)
/** Answers and requests of one turn. */
#define TIDEMARK_SERVE_TURN_MAX   64u

enum tidemark_serve_op {
	TIDEMARK_SERVE_READ = 0,
	TIDEMARK_SERVE_WRITE = 1,
	TIDEMARK_SERVE_FLUSH = 2, /**< offset and bytes are 0 */
	TIDEMARK_SERVE_DISCARD = 3,
	TIDEMARK_SERVE_ZEROES = 4,
};

/** Durable before it is answered; with writes and zeroes. */
#define TIDEMARK_SERVE_FUA (1u << 0)

struct tidemark_serve_request {
	__u64 offset; /**< bytes, a multiple of 512 */
	__u32 bytes;
	__u32 tag;
	__u32 op;
	__u32 flags;
};

struct tidemark_serve_answer {
	__u32 tag;
	__s32 error; /**< 0 or a negative errno */
};

/**
 * TIDEMARK_SERVE_IOC_BIND: once for each open file. Errors: -EPROTONOSUPPORT (abi is out: the module's),
 * -ENXIO (no such device, or it is not tidemark-serve's), -EINVAL (queue, or bound already),
 * -EBUSY (another server has the queue), -ENOMEM.
 */
struct tidemark_serve_bind {
	__u32 abi; /**< in: TIDEMARK_SERVE_ABI_VERSION */
	__u32 queue;
	__u32 mapped_major;
	__u32 mapped_minor;
	__u64 device_bytes; /**< out, as all below */
	__u32 nr_queues;
	__u32 nr_tags;
	__u32 slot_bytes;
	__u32 reserved; /**< 0 */
};

/**
 * TIDEMARK_SERVE_IOC_TURN: take answers, wait at most wait_ms for a request unless there is
 * one, give requests. What was given with an error of this call has to be answered too.
 *
 * Errors: -ENOTCONN (not bound), -ENODEV (the device is gone), -ESTALE (given up: what it had
 * is another server's now), -EINVAL (too many of either, or an answer for a tag that is
 * not out; those before it have been taken), -EFAULT, -EINTR.
 */
struct tidemark_serve_turn {
	__u64 answers;     /**< address of nr_answers */
	__u64 requests;    /**< address of room for nr_requests */
	__u32 nr_answers;
	__u32 nr_requests; /**< in: room; out: how many came */
	__u32 wait_ms;     /**< 0: do not wait */
	__u32 reserved;    /**< 0 */
};

#define TIDEMARK_SERVE_IOC_BIND _IOWR(0xb8, 0, struct tidemark_serve_bind)
#define TIDEMARK_SERVE_IOC_TURN _IOWR(0xb8, 1, struct tidemark_serve_turn)

#endif
