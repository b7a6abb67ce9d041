/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What scenarios do with instants: of the latest stretch, which changes the volume.
 */
#ifndef TESTS_UNIT_SCENARIO_INSTANT_H
#define TESTS_UNIT_SCENARIO_INSTANT_H

#include "scenario.h"

/** A point of the volume as it was before the stretch. */
int scenario_begin_instants(struct world *world);
int scenario_extract_instants(struct world *world);
/** The end of the stretch becomes a point. */
int scenario_keep_instant(struct world *world);

#endif
