// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * An attachment holds its device: while that is not gone, nothing else can be behind it. So the
 * device is read only where it is about to be attached or backed up, and where the path leads to
 * another device than the one that is held.
 */
#include "agent/known_volume.h"
#include "agent/device.h"
#include "agent/volume_identity.h"
#include "agent/volume_pin.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((format(printf, 2, 3))) void say(const struct known_volume *v,
						      const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	v->say(v->context, text);
}

enum known_volume_device known_volume_device_of(int error)
{
	return error == -ENXIO ? KNOWN_VOLUME_GONE :
	       error == -EMEDIUMTYPE ? KNOWN_VOLUME_REPLACED : KNOWN_VOLUME_THERE;
}

const char *known_volume_device_name(enum known_volume_device device)
{
	return device == KNOWN_VOLUME_GONE ? "gone" :
	       device == KNOWN_VOLUME_REPLACED ? "replaced" : NULL;
}

int known_volume_is_gone(const struct known_volume *v)
{
	return failure_set(-ENXIO, "%s: is not there; goes on by itself once it is back",
			   v->device);
}

bool known_volume_owns(const struct known_volume *v, const char *attachment)
{
	return strcmp(v->name, attachment) == 0 && strcmp(v->device, attachment) != 0;
}

/* ----------------------------------------------------------------------- identity */

/* The kernel's name says nothing of the device. */
static bool is_real(const char *id)
{
	return strncmp(id, "node:", 5) != 0;
}

static void know(const struct known_volume *v, const char *known, const char *id)
{
	if (strcmp(known, id) == 0)
		return;
	if (known[0])
		say(v, "is known as %s from now on; it was %s", id, known);
	if (volume_pin_write(v->name, id) < 0)
		say(v, "%s; so another volume in its place would not be recognised",
		    failure_text());
}

/* ret_known: empty where nothing is. A name that no file can have is none to look for. */
static int read_known(const struct known_volume *v, char ret_known[TMC_TEXT_BYTES])
{
	int r = volume_pin_read(v->name, ret_known);

	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* An attachment that ended with its device is the whole of it, also where that goes on now. */
static struct volume_extent extent_of(const struct attachment *attachment)
{
	bool is_whole = strcmp(attachment->device_state, "grown") == 0 && !attachment->start_sector;

	return (struct volume_extent){
		.device = attachment->live,
		.start_sector = attachment->start_sector,
		.nr_sectors = is_whole ? 0 : attachment->nr_sectors,
	};
}

/* known: empty: whatever is there is right. ret_found is set where it is refused, too. */
static int check_identity(const struct known_volume *v, const struct volume_extent *extent,
			  const char *known, char ret_found[TMC_TEXT_BYTES])
{
	int r = volume_identity_read(extent, ret_found);

	if (r < 0)
		return r == -ENXIO ? known_volume_is_gone(v) : r;
	if (!known[0] || strcmp(known, ret_found) == 0 || (!is_real(known) && is_real(ret_found)))
		return 0;
	return failure_set(-EMEDIUMTYPE, "%s: is another volume: %s, not %s; where that is meant, "
			   "run \"tidemark job accept %s\"", v->device, ret_found, known, v->name);
}

/* --------------------------------------------------------------------------- look */

static const struct attachment *find_name(const struct attachment *attachments, size_t nr,
					  const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (strcmp(attachments[i].name, name) == 0)
			return &attachments[i];
	return NULL;
}

static bool is_in(const struct attachment *attachment, const char *state)
{
	return strcmp(attachment->device_state, state) == 0;
}

/* why: NULL where somebody else says it. */
static int put_away(const struct known_volume *v, const struct attachment *own, const char *why)
{
	int r = device_detach(own);

	if (r == 0 && why)
		say(v, "detached, for its device %s", why);
	return r == -ENOENT ? 0 : r;
}

/* The path leads to another device than the one that is attached, which is there as well. */
static int look_elsewhere(const struct known_volume *v, const struct attachment *own, dev_t node,
			  char ret_refused[TMC_TEXT_BYTES])
{
	struct volume_extent there = {.device = node}, attached = extent_of(own);
	char known[TMC_TEXT_BYTES], found[TMC_TEXT_BYTES];
	int r = read_known(v, known);

	if (r == 0 && !known[0])
		r = volume_identity_read(&attached, known);
	if (r == 0)
		r = check_identity(v, &there, known, found);
	if (r == -EMEDIUMTYPE)
		memcpy(ret_refused, found, sizeof(found));
	return r < 0 ? r : put_away(v, own, "is another one by now");
}

static int look_at_own(const struct known_volume *v, const struct attachment *own,
		       struct attachment *ret_attachment, char ret_refused[TMC_TEXT_BYTES])
{
	dev_t node;

	if (device_number(v->device, &node) == 0 && node != own->live && node != own->mapped)
		return look_elsewhere(v, own, node, ret_refused);
	if (is_in(own, "grown"))
		return put_away(v, own, "has grown");
	if (is_in(own, "short"))
		return put_away(v, own, "has become shorter");
	*ret_attachment = *own;
	return 1;
}

/* Nothing of it is ours. */
static int look_at_path(const struct known_volume *v, struct attachment *ret_attachment)
{
	dev_t node;
	int r = device_number(v->device, &node);

	if (r < 0)
		return known_volume_is_gone(v);
	r = device_find(v->device, ret_attachment);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}

int known_volume_look(const struct known_volume *v, struct attachment *ret_attachment,
		      char ret_refused[TMC_TEXT_BYTES])
{
	CLEANUP_FREE struct attachment *attachments = NULL;
	const struct attachment *own;
	size_t nr = 0;
	int r = device_list(&attachments, &nr);

	ret_refused[0] = '\0';
	if (r < 0)
		return r;
	own = find_name(attachments, nr, v->device);
	if (own && is_in(own, "gone"))
		return known_volume_is_gone(v);
	if (own) {
		*ret_attachment = *own;
		return 1;
	}
	own = find_name(attachments, nr, v->name);
	if (own && !is_in(own, "gone"))
		return look_at_own(v, own, ret_attachment, ret_refused);
	r = own ? put_away(v, own, NULL) : 0;
	return r < 0 ? r : look_at_path(v, ret_attachment);
}

/* ------------------------------------------------------------------------- attach */

static int attach(const struct known_volume *v, uint64_t chunk_bytes, bool is_known,
		  struct attachment *ret_attachment)
{
	struct device_attach request = {
		.path = v->device, .name = v->name, .chunk_bytes = chunk_bytes,
	};
	int r = device_attach(&request, ret_attachment);

	if (r == 0 && is_known)
		say(v, "attached; what was written before is not known, so everything will be "
		       "read");
	return r;
}

/* Of what is to be attached. */
static int find_device(const struct known_volume *v, dev_t *ret_device)
{
	return device_number(v->device, ret_device) < 0 ? known_volume_is_gone(v) : 0;
}

int known_volume_attach(const struct known_volume *v, uint64_t chunk_bytes,
			struct attachment *ret_attachment, char ret_refused[TMC_TEXT_BYTES])
{
	char known[TMC_TEXT_BYTES], found[TMC_TEXT_BYTES];
	struct volume_extent extent = {0};
	int attached = known_volume_look(v, ret_attachment, ret_refused);
	int r = attached < 0 ? attached : attached ? 0 : find_device(v, &extent.device);

	if (attached == 1)
		extent = extent_of(ret_attachment);
	if (r == 0)
		r = read_known(v, known);
	if (r == 0)
		r = check_identity(v, &extent, known, found);
	if (r == -EMEDIUMTYPE && attached >= 0)
		memcpy(ret_refused, found, sizeof(found));
	if (r == 0 && !attached)
		r = attach(v, chunk_bytes, known[0], ret_attachment);
	if (r == 0)
		know(v, known, found);
	return r;
}
