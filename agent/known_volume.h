/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A volume as tidemarkd's config has it: a name, and where its device is. Here it is found out
 * whether that device is there, is the volume that it was before, and is attached as it is now:
 * docs/devices.md has the rules.
 */
#ifndef AGENT_KNOWN_VOLUME_H
#define AGENT_KNOWN_VOLUME_H

#include "agent/attachment.h"

#include <tidemark.h>

struct known_volume {
	const char *name;   /* and that of the attachment, where one is made */
	const char *device; /* path, or the name of an attachment */
	/* What has been done about the device; once each time. */
	void (*say)(void *context, const char *text);
	void *context;
};

enum known_volume_device {
	KNOWN_VOLUME_THERE,    /* as far as is known */
	KNOWN_VOLUME_GONE,
	KNOWN_VOLUME_REPLACED, /* another one is in its place */
};

/**
 * Reads nothing of the device, but where its path leads elsewhere than before. What is attached
 * of it and is of no use any more is detached. 1: ret_attachment is as it should be; 0: it is
 * to be attached. ret_refused: of -EMEDIUMTYPE the identity that is there, for
 * volume_pin_write(), where somebody accepts it; else empty. Errors, with a sentence: -ENXIO
 * (gone), -EMEDIUMTYPE (replaced), -ENOTUNIQ, -EBUSY (a backup keeps it from being detached),
 * those of agent/device.h.
 */
int known_volume_look(const struct known_volume *v, struct attachment *ret_attachment,
		      char ret_refused[TMC_TEXT_BYTES]);

/**
 * The same; then its identity is compared, it is attached, where it is not, and is known from now
 * on. Errors: also those of device_attach() and of reading the device.
 */
int known_volume_attach(const struct known_volume *v, uint64_t chunk_bytes,
			struct attachment *ret_attachment, char ret_refused[TMC_TEXT_BYTES]);

/** An error of these two, as a state of the device. */
enum known_volume_device known_volume_device_of(int error);
/** "gone", "replaced"; NULL: the attachment knows more. */
const char *known_volume_device_name(enum known_volume_device device);

/** Sets the sentence of a device that is gone; -ENXIO. */
int known_volume_is_gone(const struct known_volume *v);
/** Whether an attachment of that name may be detached when its device has another size. */
bool known_volume_owns(const struct known_volume *v, const char *attachment);

#endif
