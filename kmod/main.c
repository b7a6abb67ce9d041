// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Starts and stops things.
 */
#include <linux/module.h>

#include "channel.h"
#include "hook.h"
#include "interposer.h"
#include "serve.h"
#include "serve_channel.h"
#include "serve_target.h"
#include "target.h"

static int __init tidemark_init(void)
{
	int r = tm_interposer_init();

	if (r)
		return r;
	r = tm_hook_init();
	if (r) {
		pr_err("tidemark: cannot hook submit_bio_noacct: this kernel cannot trace it at its entry\n");
		goto out_with_interposer;
	}
	r = tm_channel_init();
	if (r)
		goto out_with_hook;
	r = tm_target_init();
	if (r)
		goto out_with_channel;
	r = tm_serve_init();
	if (r)
		goto out_with_target;
	r = tm_serve_channel_init();
	if (r)
		goto out_with_serve;
	r = tm_serve_target_init();
	if (r)
		goto out_with_serve_channel;
	return 0;

out_with_serve_channel:
	tm_serve_channel_exit();
out_with_serve:
	tm_serve_exit();
out_with_target:
	tm_target_exit();
out_with_channel:
	tm_channel_exit();
out_with_hook:
	tm_hook_exit();
out_with_interposer:
	tm_interposer_exit();
	return r;
}

static void __exit tidemark_exit(void)
{
	tm_serve_target_exit();
	tm_serve_channel_exit();
	tm_serve_exit();
	tm_target_exit();
	tm_channel_exit();
	tm_hook_exit();
	tm_interposer_exit();
}

module_init(tidemark_init);
module_exit(tidemark_exit);

MODULE_DESCRIPTION("device-mapper target that tracks writes to live block devices");
MODULE_AUTHOR("the Tidemark authors");
MODULE_LICENSE("GPL");
