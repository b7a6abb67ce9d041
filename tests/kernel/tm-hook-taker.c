// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Another product that redirects submit_bio_noacct(), as a live patch would, and
 * sends every bio on its way. While it is loaded nobody else can have the hook.
 */
#include <linux/ftrace.h>
#include <linux/module.h>

static notrace void let_pass(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			     struct ftrace_regs *fregs)
{
}

static struct ftrace_ops ops = {
	.func = let_pass,
	.flags = FTRACE_OPS_FL_IPMODIFY | TM_FTRACE_FLAGS,
};

static int __init taker_init(void)
{
	int r = ftrace_set_filter(&ops, "submit_bio_noacct", strlen("submit_bio_noacct"), 1);

	return r ?: register_ftrace_function(&ops);
}

static void __exit taker_exit(void)
{
	unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}

module_init(taker_init);
module_exit(taker_exit);

MODULE_DESCRIPTION("takes the hook that dm-tidemark needs");
MODULE_AUTHOR("the Tidemark authors");
MODULE_LICENSE("GPL");
