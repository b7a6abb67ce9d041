// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The ftrace backend. A callback at the entry of submit_bio_noacct() looks at the
 * bio and, where it is wanted, lets the function continue at deliver() instead:
 * same argument, same stack, the submitter's own context. deliver() ends in a jump
 * back into submit_bio_noacct(), behind the instruction that calls ftrace: whoever
 * traces the function sees the call once.
 *
 * deliver() must leave no frame behind: the core may sleep for long in the tail
 * call, and a frame of ours there would return into a module that is gone. The
 * build checks the object code for the jump.
 *
 * FL_IPMODIFY makes us the only one to redirect that function; FL_PERMANENT makes
 * the kernel refuse kernel.ftrace_enabled=0 while we are attached, which would let
 * writes pass unseen. FL_RECURSION stays unset: the callback calls nothing that is
 * traced by this ops.
 */
#include "hook.h"

#include <linux/bio.h>
#include <linux/ftrace.h>
#include <linux/mutex.h>
#include <linux/stringify.h>

#include <asm/text-patching.h>

#include "interposer.h"

static DEFINE_MUTEX(hook_mutex);
static unsigned int nr_users; /* hook_mutex */

/*
 * The call of ftrace, five bytes, stands at the entry of each function, behind the
 * landing pad of indirect branches where the kernel has those.
 */
#ifdef CONFIG_X86_KERNEL_IBT
#define SITE 4
#else
#define SITE 0
#endif
#define SITE_BYTES 5

tm_submit_result_t submit_behind_site(struct bio *bio);
asm(".set submit_behind_site, submit_bio_noacct + " __stringify(SITE + SITE_BYTES));

/* A call while somebody traces the function, else one of the two ways to do nothing. */
static bool site_is_there(void)
{
	static const u8 nops[][SITE_BYTES] = {
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		{ 0x66, 0x66, 0x66, 0x66, 0x90 },
	};
	const u8 *site = (const u8 *)submit_bio_noacct + SITE;

	return site[0] == CALL_INSN_OPCODE || !memcmp(site, nops[0], SITE_BYTES) ||
	       !memcmp(site, nops[1], SITE_BYTES);
}

static notrace tm_submit_result_t deliver(struct bio *bio)
{
	if (tm_interposer_submit(bio) == TM_BIO_HELD)
		return TM_SUBMITTED_LATER;
	return submit_behind_site(bio);
}

static notrace void on_submit(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			      struct ftrace_regs *fregs)
{
	struct bio *bio = (struct bio *)ftrace_regs_get_argument(fregs, 0);

	if (tm_interposer_wants(bio))
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)deliver);
}

static struct ftrace_ops hook_ops = {
	.func = on_submit,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT | TM_FTRACE_FLAGS,
};

/*
 * The filter is set once per load: setting it anew after ftrace_free_filter() uses
 * freed memory on 6.1 and 6.12.
 */
int tm_hook_init(void)
{
	if (!site_is_there())
		return -EOPNOTSUPP;
	return ftrace_set_filter(&hook_ops, "submit_bio_noacct", strlen("submit_bio_noacct"), 1);
}

void tm_hook_exit(void)
{
	ftrace_free_filter(&hook_ops);
}

int tm_hook_start(void)
{
	int r = 0;

	mutex_lock(&hook_mutex);
	if (nr_users == 0)
		r = register_ftrace_function(&hook_ops);
	if (!r)
		nr_users++;
	mutex_unlock(&hook_mutex);
	return r;
}

void tm_hook_stop(void)
{
	mutex_lock(&hook_mutex);
	if (--nr_users == 0)
		unregister_ftrace_function(&hook_ops);
	mutex_unlock(&hook_mutex);
}
