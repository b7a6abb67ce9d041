// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A directory below sessions/ with the file "alive". Its lock tells this machine
 * that the process is there, its time tells everybody else. It says who it is only
 * once it is locked, so that nobody finds the lock free too early. "avoids" comes
 * by a rename: whoever reads it reads all of it.
 *
 * Not handled: a file system that gives no flock() over its network. A session is
 * judged by its age there.
 */
#include "catalog/session.h"

#include "catalog/id.h"
#include "catalog/store.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/hex.h"
#include "common/io.h"
#include "common/text_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define SECOND_NS         1000000000ull
#define PATH_BYTES        96
#define ALIVE_BYTES_MAX   4096
#define AVOIDS_BYTES_MAX  (1u << 20)
#define BREAK_ROUNDS      1000
#define THREAD_STACK      (128u << 10)
#define AVOIDS_END        "end\n"
#define AVOIDS_ALL        "all\n"

struct tmc_session_times tmc_session_times = {
	.renew_ns = 5 * 60 * SECOND_NS,
	.dead_ns = 30 * 60 * SECOND_NS,
};

struct tmc_session {
	struct tmc_store *store;
	char task[TMC_SESSION_WORDS];
	char directory[PATH_BYTES];
	int alive_fd;
	atomic_bool lost;

	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t lock; /* ends */
	pthread_cond_t wake;
	bool ends;
};

static const char *name_of(const struct tmc_session *session)
{
	return session->directory + strlen("sessions/");
}

static int root_of(const struct tmc_session *session)
{
	return tmc_store_root(session->store);
}

static int session_error(struct tmc_session *session, int error, const char *verb)
{
	return failure_set(error, "cannot %s %s/%s: %s", verb, tmc_store_path(session->store),
			   session->directory, strerror(-error));
}

const char *tmc_session_directory(const struct tmc_session *session)
{
	return session->directory;
}

/* ----------------------------------------------------------------------- alive */

bool tmc_session_is_lost(struct tmc_session *session)
{
	struct stat st;

	if (!session->lost && !fstat(session->alive_fd, &st) && !st.st_nlink)
		session->lost = true;
	if (session->lost)
		failure_set(-ETIMEDOUT, "%s: this \"%s\" was ended by another Tidemark, because it "
			    "had shown no life for %llu minutes: nothing of it was kept; run it again",
			    tmc_store_path(session->store), session->task,
			    (unsigned long long)(tmc_session_times.dead_ns / SECOND_NS / 60));
	return session->lost;
}

static void *renewal_thread(void *context)
{
	struct tmc_session *session = context;
	uint64_t due_ns = clock_ns(CLOCK_MONOTONIC);

	pthread_mutex_lock(&session->lock);
	while (!session->ends) {
		struct timespec due;

		due_ns += tmc_session_times.renew_ns;
		due.tv_sec = (time_t)(due_ns / SECOND_NS);
		due.tv_nsec = (long)(due_ns % SECOND_NS);
		while (!session->ends &&
		       pthread_cond_timedwait(&session->wake, &session->lock, &due) != ETIMEDOUT)
			;
		if (!session->ends && !tmc_session_is_lost(session))
			io_touch(session->alive_fd);
	}
	pthread_mutex_unlock(&session->lock);
	return NULL;
}

static int start_thread(struct tmc_session *session)
{
	pthread_condattr_t clock;
	pthread_attr_t small;
	sigset_t all, before;
	int ret;

	pthread_mutex_init(&session->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&session->wake, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, THREAD_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&session->thread, &small, renewal_thread, session);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&small);
	session->thread_runs = !ret;
	return ret ? failure_set(-EAGAIN, "cannot start a thread") : 0;
}

static void stop_thread(struct tmc_session *session)
{
	if (!session->thread_runs)
		return;
	pthread_mutex_lock(&session->lock);
	session->ends = true;
	pthread_cond_signal(&session->wake);
	pthread_mutex_unlock(&session->lock);
	pthread_join(session->thread, NULL);
	pthread_cond_destroy(&session->wake);
	pthread_mutex_destroy(&session->lock);
}

/* ---------------------------------------------------------------- begin and end */

struct machine {
	char id[TMC_SESSION_WORDS];
	char boot[TMC_SESSION_WORDS];
};

static void get_machine(struct machine *machine)
{
	text_file_line(machine->id, sizeof(machine->id), "/etc/machine-id");
	text_file_line(machine->boot, sizeof(machine->boot), "/proc/sys/kernel/random/boot_id");
}

/* Synced: after a power cut an empty file would keep sweeps waiting until it is old. */
static int write_alive(struct tmc_session *session)
{
	char host[TMC_SESSION_WORDS] = "", text[ALIVE_BYTES_MAX];
	struct machine machine;
	int length, ret;

	get_machine(&machine);
	gethostname(host, sizeof(host) - 1);
	length = snprintf(text, sizeof(text), "machine %s\nboot %s\nprocess %d\nhost %s\ntask %s\n",
			  machine.id, machine.boot, (int)getpid(), host, session->task);
	ret = io_write_full(session->alive_fd, text, (size_t)length, 0);
	return ret ? ret : io_sync(session->alive_fd);
}

/* Whoever finds the empty directory may remove it before "alive" is there. */
static int make_directory(struct tmc_session *session)
{
	uint8_t random[16];
	char digits[TMC_SESSION_NAME], path[PATH_BYTES + 8];
	int ret;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	hex_format(random, sizeof(random), digits);
	snprintf(session->directory, sizeof(session->directory), "sessions/%s", digits);
	snprintf(path, sizeof(path), "%s/alive", session->directory);
	ret = io_mkdir(root_of(session), session->directory);
	if (ret < 0)
		return ret;
	session->alive_fd = io_open(root_of(session), path, O_RDWR | O_CREAT | O_EXCL);
	if (session->alive_fd < 0) {
		io_rmdir(root_of(session), session->directory);
		return session->alive_fd;
	}
	if (flock(session->alive_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	ret = io_touch(session->alive_fd);
	return ret ? ret : write_alive(session);
}

int tmc_session_begin(struct tmc_store *store, const char *task, struct tmc_session **ret_session)
{
	struct tmc_session *session = calloc(1, sizeof(*session));
	int ret;

	if (!session)
		return failure_set(-ENOMEM, "out of memory");
	session->store = store;
	session->alive_fd = -1;
	snprintf(session->task, sizeof(session->task), "%s", task);
	ret = io_mkdir(root_of(session), "sessions"); /* older repositories have none */
	if (!ret || ret == -EEXIST)
		ret = make_directory(session);
	if (ret < 0)
		tmc_store_error(store, ret, "make", "sessions");
	else
		ret = start_thread(session);
	if (ret < 0) {
		tmc_session_end(session);
		return ret;
	}
	*ret_session = session;
	return 0;
}

/* What goes away by itself meanwhile is gone. What cannot be removed now cannot be in the next round. */
static int empty_directory(int root_fd, const char *directory)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *entry;
	int fd = io_open(root_fd, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	int ret = 0;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		int failure = 0;

		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			failure = io_unlink(fd, entry->d_name);
		if (failure && failure != -ENOENT)
			ret = failure;
	}
	return ret;
}

/* Empty a directory and remove it; what is added meanwhile goes as well. */
static int remove_directory(int root_fd, const char *directory)
{
	int ret = -ENOTEMPTY;

	for (int round = 0; round < BREAK_ROUNDS && (ret == -ENOTEMPTY || ret == -EEXIST); round++) {
		ret = empty_directory(root_fd, directory);
		if (!ret)
			ret = io_rmdir(root_fd, directory);
	}
	return ret == -ENOENT ? 0 : ret;
}

void tmc_session_end(struct tmc_session *session)
{
	if (!session)
		return;
	stop_thread(session);
	if (session->alive_fd >= 0) {
		remove_directory(root_of(session), session->directory);
		close(session->alive_fd);
	}
	free(session);
}

int tmc_session_now(struct tmc_session *session, uint64_t *ret_ns)
{
	struct stat st;
	int ret = io_touch(session->alive_fd);

	if (!ret && fstat(session->alive_fd, &st) < 0)
		ret = -errno;
	if (ret < 0)
		return session_error(session, ret, "touch");
	*ret_ns = (uint64_t)st.st_mtim.tv_sec * SECOND_NS + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

static int write_avoids(struct tmc_session *session, const char *text, size_t bytes)
{
	CLEANUP_CLOSE int fd = -1;
	char draft[PATH_BYTES + 16], name[PATH_BYTES + 16];
	int ret;

	snprintf(draft, sizeof(draft), "%s/avoids.new", session->directory);
	snprintf(name, sizeof(name), "%s/avoids", session->directory);
	fd = io_open(root_of(session), draft, O_WRONLY | O_CREAT | O_TRUNC);
	ret = fd < 0 ? fd : io_write_full(fd, text, bytes, 0);
	if (!ret)
		ret = io_rename_new(root_of(session), draft, root_of(session), name);
	if (ret == -ENOENT && tmc_session_is_lost(session))
		return -ETIMEDOUT;
	return ret < 0 ? session_error(session, ret, "write to") : 0;
}

int tmc_session_avoid(struct tmc_session *session, const struct tmc_id *dooms, size_t nr)
{
	size_t bytes = nr * TMC_ID_TEXT + strlen(AVOIDS_END);
	CLEANUP_FREE char *text = malloc(bytes + TMC_ID_TEXT);
	char *p = text;

	if (!text)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		tmc_id_format(&dooms[i], p);
		p += TMC_ID_TEXT;
		p[-1] = '\n';
	}
	memcpy(p, AVOIDS_END, strlen(AVOIDS_END));
	return write_avoids(session, text, bytes);
}

int tmc_session_avoid_all(struct tmc_session *session)
{
	static const char text[] = AVOIDS_ALL AVOIDS_END;

	return write_avoids(session, text, sizeof(text) - 1);
}

/* ---------------------------------------------------------------------- others */

/* The value of a line that is there to its end; it goes to a terminal. */
static bool get_word(const char *text, const char *key, char ret_word[TMC_SESSION_WORDS])
{
	size_t key_length = strlen(key), length;

	for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
		if (strncmp(text, key, key_length) || text[key_length] != ' ')
			continue;
		text += key_length + 1;
		length = (size_t)(end - text);
		if (length >= TMC_SESSION_WORDS)
			length = TMC_SESSION_WORDS - 1;
		for (size_t i = 0; i < length; i++)
			ret_word[i] = isgraph((unsigned char)text[i]) ? text[i] : '?';
		ret_word[length] = '\0';
		return length > 0;
	}
	strcpy(ret_word, "?");
	return false;
}

static int read_text(int root_fd, const char *directory, const char *name, size_t bytes_max,
		     char **ret_text, int *ret_fd)
{
	CLEANUP_CLOSE int fd = -1;
	char path[PATH_BYTES + 16];
	struct stat st;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = io_open(root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > bytes_max)
		return -EBADMSG;
	*ret_text = calloc(1, (size_t)st.st_size + 1);
	if (!*ret_text)
		return -ENOMEM;
	ret = io_read_full(fd, *ret_text, (size_t)st.st_size, 0);
	if (ret < 0)
		return ret;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static bool is_older(int fd, uint64_t now_ns, uint64_t age_ns)
{
	struct stat st;
	uint64_t then_ns;

	if (fstat(fd, &st) < 0)
		return false;
	then_ns = (uint64_t)st.st_mtim.tv_sec * SECOND_NS + (uint64_t)st.st_mtim.tv_nsec;
	return then_ns < now_ns && now_ns - then_ns > age_ns;
}

/* By its own words: our boot's lock, or an earlier boot of this machine. */
static bool died_here(const char *text, int fd, uint64_t now_ns)
{
	char machine_id[TMC_SESSION_WORDS], boot[TMC_SESSION_WORDS];
	struct machine machine;

	get_machine(&machine);
	if (!get_word(text, "boot", boot))
		return false;
	if (!strcmp(boot, machine.boot))
		return !flock(fd, LOCK_SH | LOCK_NB);
	return get_word(text, "machine", machine_id) && !strcmp(machine_id, machine.id) &&
	       machine.boot[0] && is_older(fd, now_ns, clock_ns(CLOCK_BOOTTIME));
}

static void judge(struct tmc_session *session, uint64_t now_ns, struct tmc_session_info *other)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_CLOSE int fd = -1;
	char directory[PATH_BYTES];

	snprintf(directory, sizeof(directory), "sessions/%s", other->name);
	if (read_text(root_of(session), directory, "alive", ALIVE_BYTES_MAX, &text, &fd) < 0)
		fd = io_open(root_of(session), directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (!text)
		text = strdup("");
	get_word(text ? text : "", "host", other->host);
	get_word(text ? text : "", "process", other->process);
	get_word(text ? text : "", "task", other->task);
	if (fd >= 0 && text)
		other->dead = died_here(text, fd, now_ns) ||
			      is_older(fd, now_ns, tmc_session_times.dead_ns);
}

static bool is_session_name(const char *name)
{
	return strlen(name) == TMC_SESSION_NAME - 1 &&
	       strspn(name, "0123456789abcdef") == TMC_SESSION_NAME - 1;
}

int tmc_session_list(struct tmc_session *session, struct tmc_session_info **ret_infos,
		     size_t *ret_nr)
{
	CLEANUP_FREE struct tmc_session_info *infos = NULL;
	CLEANUP_FREE char *names = NULL;
	size_t nr_names, nr = 0;
	bool has_ours = false;
	uint64_t now_ns;
	int ret = tmc_session_is_lost(session) ? -ETIMEDOUT : tmc_session_now(session, &now_ns);

	if (!ret)
		ret = tmc_store_look_afresh(session->store, "sessions");
	if (!ret)
		ret = tmc_store_list_names(session->store, "sessions", TMC_SESSION_NAME, &names,
					   &nr_names);
	if (ret < 0)
		return ret;
	infos = calloc(nr_names + 1, sizeof(*infos));
	if (!infos)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr_names; i++) {
		const char *name = names + i * TMC_SESSION_NAME;

		has_ours |= !strcmp(name, name_of(session));
		if (!is_session_name(name) || !strcmp(name, name_of(session)))
			continue;
		strcpy(infos[nr].name, name);
		judge(session, now_ns, &infos[nr++]);
	}
	if (!has_ours)
		return failure_set(-EIO, "%s/sessions does not list what is there: look for errors "
				   "of its file system", tmc_store_path(session->store));
	*ret_infos = infos;
	*ret_nr = nr;
	infos = NULL;
	return 0;
}

bool tmc_session_avoids(struct tmc_session *session, const struct tmc_session_info *other,
			const struct tmc_id *doom)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_CLOSE int fd = -1;
	char directory[PATH_BYTES], digits[TMC_ID_TEXT];
	size_t length;

	snprintf(directory, sizeof(directory), "sessions/%s", other->name);
	if (read_text(root_of(session), directory, "avoids", AVOIDS_BYTES_MAX, &text, &fd) < 0)
		return false;
	length = strlen(text);
	if (length < strlen(AVOIDS_END) || strcmp(text + length - strlen(AVOIDS_END), AVOIDS_END))
		return false;
	tmc_id_format(doom, digits);
	return strstr(text, digits) || strncmp(text, AVOIDS_ALL, strlen(AVOIDS_ALL)) == 0;
}

bool tmc_session_is_gone(struct tmc_session *session, const struct tmc_session_info *other)
{
	char directory[PATH_BYTES];
	struct stat st;

	snprintf(directory, sizeof(directory), "sessions/%s", other->name);
	return fstatat(root_of(session), directory, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int tmc_session_break(struct tmc_session *session, const struct tmc_session_info *other)
{
	char directory[PATH_BYTES];
	int ret;

	snprintf(directory, sizeof(directory), "sessions/%s", other->name);
	ret = remove_directory(root_of(session), directory);
	return ret < 0 ? tmc_store_error(session->store, ret, "remove", directory) : 0;
}

void tmc_session_break_dead(struct tmc_session *session)
{
	CLEANUP_FREE struct tmc_session_info *others = NULL;
	size_t nr;

	if (tmc_session_list(session, &others, &nr) < 0)
		return;
	for (size_t i = 0; i < nr; i++)
		if (others[i].dead)
			tmc_session_break(session, &others[i]);
}
