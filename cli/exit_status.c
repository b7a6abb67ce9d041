// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The one place where an errno becomes an exit status. Where a system call's
 * errno would mean something else here, the code that made the call has turned
 * it into the one that is meant.
 */
#include "cli/exit_status.h"

#include <errno.h>

enum exit_status exit_status_of(int error)
{
	switch (-error) {
	case 0:
		return EXIT_STATUS_OK;
	case EINVAL:
	case ERANGE:
	case E2BIG:
	case ENOTUNIQ:
		return EXIT_STATUS_USAGE;
	case ETXTBSY: /* checked, and found in use, too small, not empty, ... */
	case EEXIST:
	case ENOTEMPTY:
	case ENOEXEC: /* a hook that is no program, or that others may change */
		return EXIT_STATUS_REFUSED;
	case ENOENT:
	case ENXIO:
	case ENOTBLK:
	case ENOTDIR:
	case EMEDIUMTYPE: /* no repository there */
		return EXIT_STATUS_NOT_FOUND;
	case EBADMSG:
		return EXIT_STATUS_DAMAGED;
	case EPERM:
	case ENOKEY: /* encrypted, and no passphrase, or a wrong one */
	case EKEYREJECTED:
	case ENOPKG: /* the kernel, or its module, cannot do it */
		return EXIT_STATUS_KERNEL;
	case EBUSY:
	case EALREADY:
		return EXIT_STATUS_BUSY;
	case ENOSPC:
	case EDQUOT:
		return EXIT_STATUS_NO_SPACE;
	default:
		return EXIT_STATUS_FAILED;
	}
}
