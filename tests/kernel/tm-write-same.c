// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One random block, written all over a range of a device by one kind of bio that no
 * system call makes: REQ_OP_WRITE_SAME, which DRBD uses up to Linux 5.17. It is
 * done when the module is loaded, which fails where it cannot be done.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>

static char *node;
module_param(node, charp, 0400);
static unsigned long sector;
module_param(sector, ulong, 0400);
static unsigned long nr_sectors;
module_param(nr_sectors, ulong, 0400);

static int __init write_same_init(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	int r;

	if (!page)
		return -ENOMEM;
	get_random_bytes(page_address(page), PAGE_SIZE);
	r = tm_write_same(node, sector, nr_sectors, page);
	__free_page(page);
	return r;
}

static void __exit write_same_exit(void)
{
}

module_init(write_same_init);
module_exit(write_same_exit);

MODULE_DESCRIPTION("writes one block all over a range");
MODULE_AUTHOR("the Tidemark authors");
MODULE_LICENSE("GPL");
