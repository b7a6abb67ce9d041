// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Each call has a fate. A call is settled when a sync has covered it: a write by one
 * of its file, a name by one of its directory, a new name by one of the directory
 * that it is in now. What is settled is kept; the rest, the pending calls, may have
 * any fate. Names of the scratch directory are settled from the start, or they would
 * be pending for ever.
 *
 * Where the sync of a file has failed the kernel may have forgotten what it was to
 * write: no later sync settles that, whatever it returns. Names are another matter: a
 * file system whose journal has failed stays failed.
 *
 * Most states look alike: an unfinished draft has no name that counts. Each state is
 * summed up as the set of its names with what each file was made from, and only those
 * not seen before are built and judged.
 *
 * Not modelled: a file system that applies a rename to one of its two directories
 * only, and one that writes a sector partly.
 */
#include "crash_states.h"

#include "repo_fixture.h"

#define NR_NAMES 1024
#define NR_FILES 1024
#define NR_SEEN  (1u << 18)

enum fate {
	FATE_LOST,
	FATE_KEPT,
	FATE_ZEROS,         /* a write: its length has arrived, its data has not */
	FATE_NO_TAIL_512,   /* a write: all but its last bytes */
	FATE_NO_TAIL_4096,
	FATE_NO_ODD_512,    /* a write: every other sector or page */
	FATE_NO_ODD_4096,
	FATE_CUT,           /* a write: FATE_CUT + n: nothing after n * 512 bytes */
};

struct name {
	char text[TRACE_NAME_BYTES];
	unsigned int file; /* 0: a directory */
	bool present;
};

struct view { /* of some calls */
	size_t nr_names;
	struct name names[NR_NAMES];
	uint64_t files[NR_FILES]; /* sum of what each was made from */
};

struct search {
	struct crash_states *states;
	const struct trace *trace;
	size_t nr;             /* calls before the cut */
	unsigned int nr_done;
	unsigned int file_of_rename[TRACE_OPS_MAX];
	bool settled[TRACE_OPS_MAX];
	bool dropped[TRACE_OPS_MAX]; /* a sync of it has failed: no later one will help */
	uint16_t fates[TRACE_OPS_MAX];
	size_t nr_base;        /* calls from the first on that are settled */
	struct view base;      /* of those */
	struct view view;      /* of all, with their fates */
	size_t pending[TRACE_OPS_MAX];
	size_t nr_pending;
	uint64_t *seen;        /* 0: free */
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15u;
	return a ^ a >> 29;
}

/* ------------------------------------------------------------------------ names */

static bool is_below(const char *name, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(name, directory, length) && name[length] == '/';
}

static bool is_directly_in(const char *name, const char *directory)
{
	const char *slash = strrchr(name, '/');
	size_t length = slash ? (size_t)(slash - name) : 0;

	return *name && strlen(directory) == length && !strncmp(name, directory, length);
}

static struct name *find_name(struct view *view, const char *text)
{
	for (size_t i = view->nr_names; i--;)
		if (!strcmp(view->names[i].text, text))
			return &view->names[i];
	return NULL;
}

static void put_name(struct view *view, const char *text, unsigned int file)
{
	struct name *name = find_name(view, text);

	if (!name) {
		assert_true(view->nr_names < NR_NAMES);
		name = &view->names[view->nr_names++];
		strcpy(name->text, text);
	}
	name->file = file;
	name->present = true;
}

static void remove_name(struct view *view, const char *text)
{
	struct name *name = find_name(view, text);

	if (name)
		name->present = false;
}

/* With all directories above it. */
static bool is_visible(struct view *view, const struct name *name)
{
	char above[TRACE_NAME_BYTES];
	struct name *directory;
	char *slash;

	if (!name->present)
		return false;
	strcpy(above, name->text);
	slash = strrchr(above, '/');
	if (!slash)
		return true;
	*slash = '\0';
	directory = find_name(view, above);
	return directory && is_visible(view, directory);
}

static void apply(struct search *search, struct view *view, size_t nth, unsigned int fate)
{
	const struct trace_op *op = &search->trace->ops[nth];

	if (fate == FATE_LOST)
		return;
	switch (op->kind) {
	case TRACE_CREATE:
		put_name(view, op->name, op->file);
		break;
	case TRACE_MKDIR:
		put_name(view, op->name, 0);
		break;
	case TRACE_WRITE:
		view->files[op->file] = mix(view->files[op->file], nth << 16 | fate);
		break;
	case TRACE_RENAME:
		remove_name(view, op->name);
		put_name(view, op->new_name, search->file_of_rename[nth]);
		break;
	case TRACE_UNLINK:
		remove_name(view, op->name);
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------------------ build */

static bool arrives(unsigned int fate, size_t byte, size_t bytes)
{
	switch (fate) {
	case FATE_LOST:
	case FATE_ZEROS:
		return false;
	case FATE_KEPT:
		return true;
	case FATE_NO_TAIL_512:
		return byte + 512 < bytes;
	case FATE_NO_TAIL_4096:
		return byte + 4096 < bytes;
	case FATE_NO_ODD_512:
		return byte / 512 % 2 == 0;
	case FATE_NO_ODD_4096:
		return byte / 4096 % 2 == 0;
	default:
		return byte < (fate - FATE_CUT) * 512u;
	}
}

static void build_file(struct search *search, const char *path, unsigned int file)
{
	uint8_t *data = malloc(1);
	size_t bytes = 0;

	for (size_t i = 0; i < search->nr; i++) {
		const struct trace_op *op = &search->trace->ops[i];
		unsigned int fate = search->fates[i];
		size_t arrived = fate >= FATE_CUT ? (fate - FATE_CUT) * 512u : op->bytes;

		if (op->kind != TRACE_WRITE || op->file != file || fate == FATE_LOST)
			continue;
		if (op->offset + arrived > bytes) {
			data = realloc(data, op->offset + arrived);
			memset(data + bytes, 0, op->offset + arrived - bytes);
			bytes = op->offset + arrived;
		}
		for (size_t byte = 0; byte < arrived; byte++)
			if (arrives(fate, byte, op->bytes))
				data[op->offset + byte] = op->data[byte];
	}
	write_file(path, data, bytes);
	free(data);
}

static void build(struct search *search)
{
	const char *root = search->states->path;
	char path[512];

	remove_tree(root);
	assert_int_equal(mkdir(root, 0700), 0);
	for (size_t i = 0; i < search->view.nr_names; i++) {
		const struct name *name = &search->view.names[i];

		if (!is_visible(&search->view, name) || !*name->text)
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, name->text);
		if (name->file)
			build_file(search, path, name->file);
		else
			assert_int_equal(mkdir(path, 0700), 0);
	}
}

/* ----------------------------------------------------------------------- states */

static uint64_t sum_up(struct search *search)
{
	struct view *view = &search->view;
	uint64_t sum = mix(1, search->nr_done);

	for (size_t i = 0; i < view->nr_names; i++) {
		const struct name *name = &view->names[i];
		uint64_t one = 7;

		if (!is_visible(view, name) || is_below(name->text, search->states->scratch))
			continue;
		for (const char *c = name->text; *c; c++)
			one = mix(one, (uint8_t)*c);
		sum += mix(one, view->files[name->file]);
	}
	return sum | 1;
}

/* False if it was seen before. */
static bool note(struct search *search, uint64_t sum)
{
	for (size_t i = 0; i < NR_SEEN; i++) {
		uint64_t *slot = &search->seen[(sum + i) % NR_SEEN];

		if (*slot == sum)
			return false;
		if (!*slot) {
			*slot = sum;
			return true;
		}
	}
	fail_msg("more states than there is room for");
	return false;
}

static void judge(struct search *search, const char *how)
{
	struct crash_states *states = search->states;
	char where[160];

	states->ret_nr_states++;
	search->view = search->base;
	for (size_t i = search->nr_base; i < search->nr; i++)
		apply(search, &search->view, i, search->fates[i]);
	if (!note(search, sum_up(search)))
		return;
	states->ret_nr_judged++;
	build(search);
	snprintf(where, sizeof(where), "after call %zu, %u steps, %s", search->nr, search->nr_done,
		 how);
	states->judge(states->context, search->nr_done, where);
}

static void set_pending(struct search *search, enum fate writes, enum fate names)
{
	for (size_t i = 0; i < search->nr_pending; i++) {
		size_t nth = search->pending[i];

		search->fates[nth] = search->trace->ops[nth].kind == TRACE_WRITE ? writes : names;
	}
}

/* All pending calls but one or two have the first fate, these the second. */
static void judge_pairs(struct search *search, enum fate all, enum fate few, const char *how)
{
	uint16_t *fates = search->fates;

	set_pending(search, all, all);
	judge(search, how);
	for (size_t a = 0; a < search->nr_pending; a++) {
		fates[search->pending[a]] = few;
		judge(search, how);
		for (size_t b = a + 1; b < search->nr_pending; b++) {
			fates[search->pending[b]] = few;
			judge(search, how);
			fates[search->pending[b]] = all;
		}
		fates[search->pending[a]] = all;
	}
}

static void judge_torn(struct search *search, enum fate other_writes)
{
	for (size_t i = 0; i < search->nr_pending; i++) {
		size_t nth = search->pending[i];
		const struct trace_op *op = &search->trace->ops[nth];

		if (op->kind != TRACE_WRITE)
			continue;
		set_pending(search, other_writes, FATE_KEPT);
		for (unsigned int fate = FATE_ZEROS; fate < FATE_CUT + op->bytes / 512 + 1; fate++) {
			search->fates[nth] = (uint16_t)fate;
			judge(search, "a torn write");
		}
	}
}

static void judge_cut(struct search *search)
{
	search->nr_pending = 0;
	for (size_t i = search->nr_base; i < search->nr; i++) {
		search->fates[i] = FATE_KEPT;
		if (!search->settled[i])
			search->pending[search->nr_pending++] = i;
	}
	judge_pairs(search, FATE_KEPT, FATE_LOST, "all but a few calls");
	judge_pairs(search, FATE_LOST, FATE_KEPT, "few calls");
	set_pending(search, FATE_LOST, FATE_KEPT);
	judge(search, "names without data");
	set_pending(search, FATE_ZEROS, FATE_KEPT);
	judge(search, "names with zeros");
	set_pending(search, FATE_KEPT, FATE_LOST);
	judge(search, "data without names");
	judge_torn(search, FATE_KEPT);
	judge_torn(search, FATE_LOST);
}

/* ----------------------------------------------------------------------- search */

static bool covers(const struct trace_op *sync, const struct trace_op *op)
{
	if (sync->file)
		return op->kind == TRACE_WRITE && op->file == sync->file;
	if (op->kind == TRACE_WRITE)
		return false;
	return is_directly_in(op->kind == TRACE_RENAME ? op->new_name : op->name, sync->name);
}

static void add_call(struct search *search)
{
	size_t nth = search->nr++;
	const struct trace_op *op = &search->trace->ops[nth];
	bool has_failed = op->kind == TRACE_SYNC_FAILED;
	bool is_sync = op->kind == TRACE_SYNC_FILE || op->kind == TRACE_SYNC_DIRECTORY || has_failed;

	search->nr_done += op->kind == TRACE_DONE;
	search->settled[nth] = is_sync || op->kind == TRACE_DONE ||
			       (op->kind == TRACE_MKDIR && !*op->name) ||
			       (op->kind != TRACE_WRITE && op->kind != TRACE_RENAME &&
				is_below(op->name, search->states->scratch));
	for (size_t i = search->nr_base; is_sync && i < nth; i++) {
		if (!covers(op, &search->trace->ops[i]))
			continue;
		search->dropped[i] |= has_failed && op->file;
		search->settled[i] |= !has_failed && !search->dropped[i];
	}
	while (search->nr_base < search->nr && search->settled[search->nr_base]) {
		search->fates[search->nr_base] = FATE_KEPT;
		apply(search, &search->base, search->nr_base, FATE_KEPT);
		search->nr_base++;
	}
}

/* Which file a rename moves does not depend on what is lost. */
static void find_files_of_renames(struct search *search)
{
	struct view *all = calloc(1, sizeof(*all));

	for (size_t i = 0; i < search->trace->nr_ops; i++) {
		const struct trace_op *op = &search->trace->ops[i];

		if (op->kind == TRACE_RENAME) {
			struct name *name = find_name(all, op->name);

			assert_non_null(name);
			search->file_of_rename[i] = name->file;
		}
		apply(search, all, i, FATE_KEPT);
	}
	free(all);
}

static struct search *search_create(struct crash_states *states)
{
	struct search *search = calloc(1, sizeof(*search));

	assert_true(states->trace->nr_files < NR_FILES);
	search->states = states;
	search->trace = states->trace;
	search->seen = calloc(NR_SEEN, sizeof(*search->seen));
	find_files_of_renames(search);
	return search;
}

static void search_destroy(struct search *search)
{
	free(search->seen);
	free(search);
}

void crash_states_judge(struct crash_states *states)
{
	struct search *search = search_create(states);

	states->ret_nr_states = 0;
	states->ret_nr_judged = 0;
	while (search->nr < states->trace->nr_ops) {
		add_call(search);
		judge_cut(search);
	}
	search_destroy(search);
}

void crash_states_build_end(struct crash_states *states)
{
	struct search *search = search_create(states);

	while (search->nr < states->trace->nr_ops)
		add_call(search);
	for (size_t i = 0; i < search->nr; i++) {
		search->fates[i] = FATE_KEPT;
		apply(search, &search->view, i, FATE_KEPT);
	}
	build(search);
	search_destroy(search);
}
