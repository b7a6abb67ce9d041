/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Asks tidemarkd, over its socket (daemon/control.h).
 */
#ifndef AGENT_CONTROL_CLIENT_H
#define AGENT_CONTROL_CLIENT_H

#define CONTROL_PATH "/run/tidemark/control"
#define CONFIG_PATH  "/etc/tidemark/tidemark.conf" /* what makes somebody want one that runs */
#define CONTROL_REQUEST_BYTES 512 /* none is longer */

/**
 * request: one line, shorter than that. ret_answer: a JSON object as text, freed with free(). Errors: -ENOENT (no tidemarkd
 * runs), -EPERM (not root), -ETIMEDOUT (it does not answer), -EIO.
 */
int control_client_ask(const char *path, const char *request, char **ret_answer);

#endif
