// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The number is atomic so that asking costs nothing while all is well.
 */
#include "common/first_failure.h"

#include "common/failure.h"
#include "common/lock_scope.h"

#include <stdio.h>

void first_failure_init(struct first_failure *first)
{
	pthread_mutex_init(&first->lock, NULL);
	atomic_init(&first->error, 0);
	first->text[0] = '\0';
}

int first_failure_note(struct first_failure *first, int error)
{
	LOCK_SCOPE(&first->lock);
	if (!atomic_load(&first->error)) {
		snprintf(first->text, sizeof(first->text), "%s", failure_text());
		atomic_store(&first->error, error);
	}
	return error;
}

int first_failure_get(struct first_failure *first)
{
	int error = atomic_load(&first->error);

	if (!error)
		return 0;
	LOCK_SCOPE(&first->lock);
	return failure_set(error, "%s", first->text);
}
