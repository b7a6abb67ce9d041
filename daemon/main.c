// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemarkd: continuous protection of the volumes that its config file names. Stays in
 * the foreground, tells systemd that it is up and alive, reads its config anew on SIGHUP
 * and ends on SIGTERM with everything durable that it has seen.
 */
#include "agent/control_client.h"
#include "agent/resident.h"
#include "cli/exit_status.h"
#include "cli/unlock.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/exposition.h"
#include "daemon/guards.h"
#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/metrics.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static const char help[] =
	"Usage: tidemarkd [--config FILE] [--control SOCKET] [--check]\n"
	"Protect volumes continuously: keep every write to them in a repository, so that each can\n"
	"be had as it was at any second. Stays in the foreground; systemd's unit is\n"
	"tidemarkd.service.\n\n"
	"      --config FILE     what to protect (default: " CONFIG_PATH ")\n"
	"      --control SOCKET  where tidemark asks it (default: " CONTROL_PATH ")\n"
	"      --check           only say whether the config is sound\n"
	"      --passphrase-file FILE  for encrypted repositories\n"
	"  -h, --help            this text\n\n"
	"SIGHUP: read the config anew; SIGTERM: end. A config for one disk:\n"
	"  repository = /backup/repo\n"
	"  volume data { device = /dev/vdb }";

struct daemon {
	const char *config_path;
	const char *control_path;
	struct guards guards;
	struct jobs jobs;
	struct exposition exposition;
	int signal_fd, control_fd;
	uint64_t watchdog_ns; /* how often systemd wants to hear of us; 0: it does not */
};

static int read_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void adopt(struct daemon *daemon, struct config *config)
{
	jobs_adopt(&daemon->jobs, config);
	guards_adopt(&daemon->guards, config);
	exposition_set(&daemon->exposition, &daemon->guards.config);
}

/* A config that is wrong changes nothing. */
static void reload(struct daemon *daemon)
{
	struct config config;
	int r;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(clock_ns(CLOCK_MONOTONIC) / 1000));
	r = config_read(daemon->config_path, &config);
	if (r == 0)
		adopt(daemon, &config);
	if (r < 0)
		log_say(LOG_PRIORITY_ERROR, NULL, "%s; goes on with the config that it had",
			failure_text());
	else
		log_say(LOG_PRIORITY_INFO, NULL, "%s has been read anew", daemon->config_path);
	sd_notify(0, "READY=1");
}

/* True: it is to end. */
static bool take_signals(struct daemon *daemon)
{
	struct signalfd_siginfo signal;
	bool ends = false;

	while (read(daemon->signal_fd, &signal, sizeof(signal)) == sizeof(signal)) {
		if (signal.ssi_signo == SIGHUP)
			reload(daemon);
		else
			ends = true;
	}
	return ends;
}

/* systemd is not to think that it hangs, nor that it will not end. */
static void keep_alive(void)
{
	sd_notify(0, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000");
}

/* Of a streamed volume, or of a job. */
static int accept_volume(struct daemon *daemon, const char *name)
{
	int r = guards_accept(&daemon->guards, name);

	return r == -ENODEV ? jobs_accept(&daemon->jobs, name) : r;
}

/* "run NAME" and its like. */
static struct json_object *obey(struct daemon *daemon, const char *request)
{
	static const struct {
		const char *word;
		enum job_order order;
	} orders[] = {
		{"run ", JOB_ORDER_RUN}, {"cancel ", JOB_ORDER_CANCEL},
		{"pause ", JOB_ORDER_PAUSE}, {"resume ", JOB_ORDER_RESUME},
	};
	static const char accepts[] = "accept ";
	int r = failure_set(-EINVAL, "\"%s\": no such request", request);

	if (strncmp(request, accepts, strlen(accepts)) == 0)
		r = accept_volume(daemon, request + strlen(accepts));

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strncmp(request, orders[i].word, strlen(orders[i].word)) == 0)
			r = jobs_order(&daemon->jobs, request + strlen(orders[i].word),
				       orders[i].order);
	return r < 0 ? control_refusal(r) : json_object_new_object();
}

static struct json_object *make_status(struct daemon *daemon)
{
	struct json_object *object = guards_to_json(&daemon->guards);

	json_object_object_add(object, "jobs", jobs_to_json(&daemon->jobs));
	return object;
}

static struct json_object *answer(void *context, const char *request)
{
	if (strcmp(request, "status") != 0)
		return obey(context, request);
	return make_status(context);
}

static char *render(void *context)
{
	struct json_object *object = make_status(context);
	char *text = metrics_render(object);

	json_object_put(object);
	return text;
}

/* -1: for ever. */
static int find_timeout_ms(const struct daemon *daemon)
{
	int watchdog_ms = daemon->watchdog_ns ? (int)(daemon->watchdog_ns / 2000000) : -1;
	int exposition_ms = exposition_timeout_ms(&daemon->exposition);

	if (watchdog_ms < 0 || exposition_ms < 0)
		return watchdog_ms < 0 ? exposition_ms : watchdog_ms;
	return watchdog_ms < exposition_ms ? watchdog_ms : exposition_ms;
}

static void serve(struct daemon *daemon)
{
	struct pollfd fds[] = {
		{.fd = daemon->signal_fd, .events = POLLIN},
		{.fd = daemon->control_fd, .events = POLLIN},
		{.events = POLLIN},
	};

	do {
		char text[256];

		guards_summary(&daemon->guards, text, sizeof(text));
		sd_notifyf(0, "WATCHDOG=1\nSTATUS=%s", text);
		fds[2].fd = exposition_fd(&daemon->exposition);
		if (poll(fds, 3, find_timeout_ms(daemon)) < 0 && errno != EINTR)
			break;
		exposition_run(&daemon->exposition);
		if (fds[1].revents)
			control_serve(daemon->control_fd, answer, daemon);
	} while (!take_signals(daemon));
}

static enum exit_status failed(int error)
{
	log_say(LOG_PRIORITY_ERROR, NULL, "%s", failure_text());
	return exit_status_of(error);
}

static enum exit_status run(struct daemon *daemon, struct config *config)
{
	uint64_t watchdog_us = 0;
	int r;

	daemon->signal_fd = read_signals();
	if (daemon->signal_fd < 0)
		return failed(failure_set(-errno, "signals: %s", strerror(errno)));
	r = daemon->control_fd = control_listen(daemon->control_path);
	if (r < 0)
		return failed(r);
	if (sd_watchdog_enabled(0, &watchdog_us) > 0)
		daemon->watchdog_ns = watchdog_us * 1000;
	resident_enter();
	unlock_hand_on();
	daemon->exposition.render = render;
	daemon->exposition.context = daemon;
	guards_init(&daemon->guards, keep_alive);
	adopt(daemon, config);
	sd_notify(0, "READY=1");
	serve(daemon);
	exposition_end(&daemon->exposition);
	sd_notify(0, "STOPPING=1\nSTATUS=making everything durable");
	jobs_stop(&daemon->jobs);
	guards_exit(&daemon->guards);
	unlink(daemon->control_path);
	return EXIT_STATUS_OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"control", required_argument, NULL, 's'},
		{"check", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct daemon daemon = {.config_path = CONFIG_PATH, .control_path = CONTROL_PATH,
				.jobs.waits = keep_alive};
	enum exit_status status_now = unlock_init(&argc, argv);
	bool check = false;
	struct config config;
	int option, r;

	while (status_now == EXIT_STATUS_OK &&
	       (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			daemon.config_path = optarg;
			break;
		case 's':
			daemon.control_path = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return EXIT_STATUS_USAGE;
		}
	}
	if (status_now != EXIT_STATUS_OK)
		return status_now;
	if (optind != argc) {
		fprintf(stderr, "tidemarkd: %s: takes options only; see tidemarkd --help\n",
			argv[optind]);
		return EXIT_STATUS_USAGE;
	}
	r = config_read(daemon.config_path, &config);
	if (r < 0)
		return failed(r);
	if (!check)
		return run(&daemon, &config);
	config_clear(&config);
	return EXIT_STATUS_OK;
}
