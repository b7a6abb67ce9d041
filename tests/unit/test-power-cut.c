// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Power cuts. The system calls of two backups are recorded; then, for every
 * prefix of the record, the directory is rebuilt as a disk might hold it: what was
 * not synced is gone, or torn, or only the names have arrived and not the data, or
 * the names of later objects and not of earlier ones. Every point whose commit had
 * returned must be there and read back; whatever else is there must be whole.
 */
#include "repo_fixture.h"

#include "common/io.h"

#include <pthread.h>

#define NR_CHUNKS   60u
#define NR_OPS_MAX  4096
#define NR_FDS      1024
#define NR_FILES    512
#define NAME_BYTES  96

enum op_kind {
	OP_CREATE,
	OP_WRITE,
	OP_SYNC,     /* of a file or a directory */
	OP_RENAME,
	OP_UNLINK,
	OP_MKDIR,
	OP_COMMITTED, /* a point was acknowledged */
};

struct op {
	enum op_kind kind;
	char name[NAME_BYTES]; /* "" is the repository itself */
	char new_name[NAME_BYTES];
	int file; /* number of the file, for create, write, sync; -1: a directory */
	uint64_t offset;
	size_t bytes;
	uint8_t *data;
};

static struct {
	pthread_mutex_t lock;
	struct op ops[NR_OPS_MAX];
	size_t nr_ops;
	int file_of_fd[NR_FDS]; /* 1 + number; 0: not one of ours */
	char name_of_fd[NR_FDS][NAME_BYTES]; /* of directories */
	int nr_files;
} record = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct op *add_op(enum op_kind kind, const char *name)
{
	struct op *op = &record.ops[record.nr_ops++];

	if (record.nr_ops == NR_OPS_MAX)
		abort();
	*op = (struct op){ .kind = kind, .file = -1 };
	snprintf(op->name, sizeof(op->name), "%s", name);
	return op;
}

static int recording_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	int fd;

	pthread_mutex_lock(&record.lock);
	fd = io_ops_system.openat(dir_fd, name, flags, mode);
	if (fd >= 0 && fd < NR_FDS) {
		record.file_of_fd[fd] = 0;
		snprintf(record.name_of_fd[fd], NAME_BYTES, "%s", name);
		if (flags & O_CREAT) {
			record.file_of_fd[fd] = ++record.nr_files;
			add_op(OP_CREATE, name)->file = record.nr_files;
		}
	}
	pthread_mutex_unlock(&record.lock);
	return fd;
}

static int recording_mkdirat(int dir_fd, const char *name, mode_t mode)
{
	int ret;

	pthread_mutex_lock(&record.lock);
	ret = io_ops_system.mkdirat(dir_fd, name, mode);
	if (!ret)
		add_op(OP_MKDIR, name);
	pthread_mutex_unlock(&record.lock);
	return ret;
}

static ssize_t recording_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	ssize_t done = io_ops_system.pwrite(fd, data, bytes, offset);

	pthread_mutex_lock(&record.lock);
	if (done > 0 && record.file_of_fd[fd]) {
		struct op *op = add_op(OP_WRITE, "");

		op->file = record.file_of_fd[fd];
		op->offset = (uint64_t)offset;
		op->bytes = (size_t)done;
		op->data = malloc((size_t)done);
		memcpy(op->data, data, (size_t)done);
	}
	pthread_mutex_unlock(&record.lock);
	return done;
}

static int recording_fsync(int fd)
{
	pthread_mutex_lock(&record.lock);
	if (record.file_of_fd[fd])
		add_op(OP_SYNC, "")->file = record.file_of_fd[fd];
	else
		add_op(OP_SYNC, record.name_of_fd[fd]);
	pthread_mutex_unlock(&record.lock);
	return io_ops_system.fsync(fd);
}

static int recording_renameat(int old_dir_fd, const char *old_name, int new_dir_fd,
			      const char *new_name, unsigned int flags)
{
	int ret;

	pthread_mutex_lock(&record.lock);
	ret = io_ops_system.renameat(old_dir_fd, old_name, new_dir_fd, new_name, flags);
	if (!ret)
		snprintf(add_op(OP_RENAME, old_name)->new_name, NAME_BYTES, "%s", new_name);
	pthread_mutex_unlock(&record.lock);
	return ret;
}

static int recording_unlinkat(int dir_fd, const char *name, int flags)
{
	int ret;

	pthread_mutex_lock(&record.lock);
	ret = io_ops_system.unlinkat(dir_fd, name, flags);
	if (!ret)
		add_op(OP_UNLINK, name);
	pthread_mutex_unlock(&record.lock);
	return ret;
}

static ssize_t recording_pread(int fd, void *data, size_t bytes, off_t offset)
{
	return pread(fd, data, bytes, offset);
}

static const struct io_ops recording_ops = {
	.openat = recording_openat,
	.mkdirat = recording_mkdirat,
	.pread = recording_pread,
	.pwrite = recording_pwrite,
	.fsync = recording_fsync,
	.renameat = recording_renameat,
	.unlinkat = recording_unlinkat,
};

/* ---------------------------------------------------------------- a disk's view */

struct file { /* contents by number of the file */
	uint8_t *data;
	size_t bytes, synced_bytes; /* files are only appended to */
};

struct entry { /* a name */
	char name[NAME_BYTES];
	int file;    /* 0: a directory */
	bool synced; /* its directory was synced since */
	bool gone;   /* removed, but its directory was not synced since */
};

struct disk {
	struct file files[NR_FILES];
	struct entry entries[NR_FILES];
	size_t nr_entries;
	int nr_committed;
};

static const char *parent_of(const char *name, char ret_parent[NAME_BYTES])
{
	char *slash;

	snprintf(ret_parent, NAME_BYTES, "%s", name);
	slash = strrchr(ret_parent, '/');
	if (slash)
		*slash = '\0';
	else
		ret_parent[0] = '\0';
	return ret_parent;
}

static struct entry *find_entry(struct disk *disk, const char *name)
{
	for (size_t i = disk->nr_entries; i--;)
		if (!strcmp(disk->entries[i].name, name) && !disk->entries[i].gone)
			return &disk->entries[i];
	return NULL;
}

static void add_entry(struct disk *disk, const char *name, int file)
{
	struct entry *entry = &disk->entries[disk->nr_entries++];

	*entry = (struct entry){ .file = file };
	snprintf(entry->name, NAME_BYTES, "%s", name);
}

static void sync_names(struct disk *disk, const char *directory)
{
	for (size_t i = 0; i < disk->nr_entries; i++) {
		char parent[NAME_BYTES];

		if (strcmp(parent_of(disk->entries[i].name, parent),
			   strcmp(directory, ".") ? directory : ""))
			continue;
		disk->entries[i].synced = true;
	}
}

static void apply(struct disk *disk, const struct op *op)
{
	struct file *file = op->file > 0 ? &disk->files[op->file] : NULL;
	struct entry *entry;

	switch (op->kind) {
	case OP_CREATE:
		add_entry(disk, op->name, op->file);
		break;
	case OP_MKDIR:
		add_entry(disk, op->name, 0);
		break;
	case OP_WRITE:
		if (op->offset + op->bytes > file->bytes) {
			file->data = realloc(file->data, op->offset + op->bytes);
			file->bytes = op->offset + op->bytes;
		}
		memcpy(file->data + op->offset, op->data, op->bytes);
		break;
	case OP_SYNC:
		if (file)
			file->synced_bytes = file->bytes;
		else
			sync_names(disk, op->name);
		break;
	case OP_RENAME:
		entry = find_entry(disk, op->name);
		assert_non_null(entry);
		entry->gone = true;
		add_entry(disk, op->new_name, entry->file);
		break;
	case OP_UNLINK:
		entry = find_entry(disk, op->name);
		if (entry)
			entry->gone = true;
		break;
	case OP_COMMITTED:
		disk->nr_committed++;
		break;
	}
}

enum survival {
	SURVIVAL_SYNCED_ONLY,   /* neither names nor data that were not synced */
	SURVIVAL_NAMES,         /* all names; data only where synced */
	SURVIVAL_NAMES_GARBAGE, /* all names; zeros where data was not synced */
	SURVIVAL_LATE_NAMES,    /* unsynced names only in points/ and index/ */
	SURVIVAL_EARLY_NAMES,   /* unsynced names only in packs/ and tmp/ */
	SURVIVAL_ALL,           /* as after a kill */
	NR_SURVIVALS,
};

static bool survives(const struct entry *entry, enum survival survival)
{
	bool late = !strncmp(entry->name, "points/", 7) || !strncmp(entry->name, "index/", 6);

	if (entry->gone)
		return false;
	if (entry->synced)
		return true;
	switch (survival) {
	case SURVIVAL_SYNCED_ONLY:
		return false;
	case SURVIVAL_LATE_NAMES:
		return late;
	case SURVIVAL_EARLY_NAMES:
		return !late;
	default:
		return true;
	}
}

static void build(const struct fixture *fixture, const struct disk *disk, enum survival survival)
{
	static const char *const directories[] = { "", "/packs", "/index", "/points", "/tmp" };
	char path[256];

	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s%s", fixture->path, directories[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (size_t i = 0; i < disk->nr_entries; i++) {
		const struct entry *entry = &disk->entries[i];
		const struct file *file = &disk->files[entry->file];
		size_t bytes = file->bytes;
		uint8_t *data;

		if (!survives(entry, survival))
			continue;
		snprintf(path, sizeof(path), "%s/%s", fixture->path, entry->name);
		if (!entry->file) {
			mkdir(path, 0700);
			continue;
		}
		if (survival != SURVIVAL_ALL && survival != SURVIVAL_NAMES_GARBAGE)
			bytes = file->synced_bytes;
		data = calloc(1, bytes + 1);
		memcpy(data, file->data ? file->data : data,
		       survival == SURVIVAL_ALL ? bytes : file->synced_bytes);
		/* A file can only survive below a directory that did. */
		if (strncmp(entry->name, "packs/", 6) || !access(parent_of(path, (char[256]){ 0 }), F_OK))
			write_file(path, data, bytes);
		free(data);
	}
}

/* ------------------------------------------------------------------------ tests */

#define NR_BACKUPS 3

static void record_backups(const struct fixture *fixture, struct model *models[NR_BACKUPS],
			   struct tmc_point points[NR_BACKUPS])
{
	struct tmc_repo *repo;

	io_ops = &recording_ops;
	assert_success(tmc_repo_create(fixture->path, 4096));
	assert_success(tmc_repo_open(fixture->path, &repo));
	for (int i = 0; i < NR_BACKUPS; i++) {
		models[i] = model_mixed(NR_CHUNKS * 4096, 4096);
		for (int n = 0; n < 4 * i; n++) /* the same content, but for a few chunks */
			model_fill(models[i], (uint64_t)n, CONTENT_RANDOM);
		assert_success(model_backup(repo, models[i], i ? &points[i - 1] : NULL, NULL,
					    (uint64_t)i, &points[i]));
		add_op(OP_COMMITTED, "");
	}
	tmc_repo_close(repo);
	io_ops = &io_ops_system;
}

static void expect_sound(const struct fixture *fixture, const struct disk *disk,
			 struct model *const models[NR_BACKUPS],
			 const struct tmc_point points[NR_BACKUPS], const char *where)
{
	struct tmc_point *found;
	struct tmc_repo *repo;
	size_t nr;

	assert_success(tmc_repo_open(fixture->path, &repo));
	if (tmc_point_list(repo, &found, &nr) < 0)
		fail_msg("%s: %s", where, tmc_error_text());
	if (nr < (size_t)disk->nr_committed || nr > (size_t)disk->nr_committed + 1)
		fail_msg("%s: %zu points, %d committed", where, nr, disk->nr_committed);
	for (size_t i = 0; i < nr; i++) {
		assert_memory_equal(&found[i].id, &points[i].id, sizeof(points[i].id));
		if (extract_point(repo, &found[i], models[i]) != EXTRACTION_EXACT)
			fail_msg("%s: point %zu: %s", where, i, tmc_error_text());
	}
	free(found);
	tmc_repo_close(repo);
}

static void every_prefix_of_a_commit_survives_a_power_cut(void **state)
{
	struct fixture *fixture = *state;
	struct disk *disk = calloc(1, sizeof(*disk));
	struct model *models[NR_BACKUPS];
	struct tmc_point points[NR_BACKUPS];
	bool created = false;

	record_backups(fixture, models, points);
	assert_true(record.nr_ops > 40);
	for (size_t i = 0; i < record.nr_ops; i++) {
		char where[64];

		apply(disk, &record.ops[i]);
		/* Before its creation is complete there is no repository to lose. */
		created |= record.ops[i].kind == OP_SYNC && find_entry(disk, "config") &&
			   find_entry(disk, "config")->synced;
		if (!created)
			continue;
		for (int survival = 0; survival < NR_SURVIVALS; survival++) {
			snprintf(where, sizeof(where), "after call %zu, survival %d", i, survival);
			remove_tree(fixture->path);
			build(fixture, disk, (enum survival)survival);
			expect_sound(fixture, disk, models, points, where);
		}
	}
	assert_int_equal(disk->nr_committed, NR_BACKUPS);
	for (int i = 0; i < NR_FILES; i++)
		free(disk->files[i].data);
	for (size_t i = 0; i < record.nr_ops; i++)
		free(record.ops[i].data);
	for (int i = 0; i < NR_BACKUPS; i++)
		model_destroy(models[i]);
	free(disk);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(every_prefix_of_a_commit_survives_a_power_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
