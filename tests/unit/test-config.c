// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What tidemarkd's config says, and what is said of one that is wrong: where, and what.
 */
#include "repo_fixture.h"

#include "common/failure.h"
#include "daemon/config.h"

static void write_config(const struct fixture *fixture, const char *text)
{
	write_file(fixture->path, text, strlen(text));
}

static void what_is_not_said_has_a_default(void **state)
{
	struct fixture *fixture = *state;
	struct config config;

	write_config(fixture, "repository = /backup\nvolume data { device = /dev/vdb }\n");
	assert_int_equal(config_read(fixture->path, &config), 0);
	assert_int_equal(config.nr_volumes, 1);
	assert_string_equal(config.volumes[0].name, "data");
	assert_string_equal(config.volumes[0].device, "/dev/vdb");
	assert_string_equal(config.volumes[0].repository, "/backup");
	assert_int_equal(config.volumes[0].rpo_ns, 5000000000u);
	assert_int_equal(config.volumes[0].points_ns, 3600000000000u);
	assert_int_equal(config.volumes[0].scan_bytes_per_second, 0);
	assert_int_equal(config.volumes[0].memory_bytes, 64u << 20);
	assert_int_equal(config.volumes[0].acknowledge_ns, 10000000000u);
	assert_null(config.metrics_file);
	assert_null(config.metrics_listen);
	config_clear(&config);
	assert_int_equal(config.nr_volumes, 0);
}

static void metrics_go_where_the_config_says(void **state)
{
	static const char *const addresses[] = {
		"127.0.0.1:9735", "127.9.9.9:1", "[::1]:65535", "[0:0:0:0:0:0:0:1]:0",
	};
	struct fixture *fixture = *state;
	struct config config;
	char text[256];

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		snprintf(text, sizeof(text), "metrics-file = /run/t.prom\nmetrics-listen = \"%s\"\n"
			 "repository = /r\nvolume a { device = /d }\n", addresses[i]);
		write_config(fixture, text);
		assert_int_equal(config_read(fixture->path, &config), 0);
		assert_string_equal(config.metrics_file, "/run/t.prom");
		assert_string_equal(config.metrics_listen, addresses[i]);
		config_clear(&config);
		assert_null(config.metrics_file);
		assert_null(config.metrics_listen);
	}
}

static void each_volume_says_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct config config;

	write_config(fixture, "# two\nvolume \"first one\" {\n\tdevice = \"/dev/a b\"\n"
			      "\trepository = /r1\n\trpo = 1s\n\tpoints = 0\n\tscan-rate = 100M\n"
			      "\tmemory = 8M\n}\nrepository = /r2\nvolume second { device = x }\n");
	assert_int_equal(config_read(fixture->path, &config), 0);
	assert_int_equal(config.nr_volumes, 2);
	assert_string_equal(config.volumes[0].name, "first one");
	assert_string_equal(config.volumes[0].device, "/dev/a b");
	assert_string_equal(config.volumes[0].repository, "/r1");
	assert_int_equal(config.volumes[0].rpo_ns, 1000000000u);
	assert_int_equal(config.volumes[0].points_ns, 0);
	assert_int_equal(config.volumes[0].scan_bytes_per_second, 100u << 20);
	assert_int_equal(config.volumes[0].memory_bytes, 8u << 20);
	assert_string_equal(config.volumes[1].repository, "/r2");
	assert_int_equal(config.volumes[1].rpo_ns, 5000000000u);
	config_clear(&config);
}

struct mistake {
	const char *text;
	unsigned int line;
	const char *says;
};

static const struct mistake mistakes[] = {
	{"", 0, "names no volume"},
	{"repository = /r\n", 0, "names no volume"},
	{"volume a {\n\tdevice = /d\n}\n", 3, "volume \"a\": has no repository"},
	{"repository = /r\nvolume a {\n}\n", 3, "volume \"a\": has no device"},
	{"repository = /r\nvolume a { device = /d\nrpo = 0s }\n", 3, "rpo is at least 1s"},
	{"repository = /r\nvolume a { device = /d\nrpo = 0 }\n", 3, "rpo is at least 1s"},
	{"repository = /r\nvolume a { device = /d\nrpo = 2m }\n", 3, "rpo is at most 1d"},
	{"repository = /r\nvolume a { device = /d\nrpo = 5\n}\n", 3, "rpo = 5: is no span of time"},
	{"repository = /r\nvolume a { device = /d\nrpo = soon }\n", 3, "is no span of time"},
	{"repository = /r\nvolume a {\npoints = -1h }\n", 3, "points = -1h: is no span of time"},
	{"repository = /r\nvolume a {\nrpo = 99999999999999999999s }\n", 3, "is no span of time"},
	{"repository = /r\nvolume a {\nscan-rate = fast }\n", 3, "scan-rate = fast: is no size"},
	{"repository = /r\nvolume a {\nmemory = 64Q }\n", 3, "memory = 64Q: is no size"},
	{"repository = /r\nvolume a { device = /d\nmemory = 1M }\n", 3, "memory is at least 8M"},
	{"repository = /r\nvolume a { device = /d\ncolour = red }\n", 3, "colour"},
	{"repository = /r\nrpo = 5s\nvolume a { device = /d }\n", 2, "rpo"},
	{"repository = /r\nvolume { device = /d }\n", 2, ""},
	{"repository = /r\nvolume a { device = \"/d }\n", 3, "end of file"},
	{"repository = /r\nvolume a { device = /d\n", 0, "} is missing"},
	{"repository = /r\nvolume a { device = /d", 0, "} is missing"},
	{"repository = /r\nvolume a { device = /d }\nvolume b {", 0, "} is missing"},
	{"repository = /r\nvolume a { device }\n", 2, ""},
	{"repository\n", 2, ""},
	{"\nmetrics-file = t.prom\n", 2, "metrics-file = t.prom: is no absolute path"},
	{"\nmetrics-file = /var/tidemark.txt\n", 2, "ends in .prom"},
	{"\nmetrics-file = \"\"\n", 2, "ends in .prom"},
	{"\nmetrics-listen = \"0.0.0.0:9735\"\n", 2, "reverse proxy"},
	{"\nmetrics-listen = \"192.168.1.2:9735\"\n", 2, "can be reached by other hosts"},
	{"\nmetrics-listen = \"[::]:9735\"\n", 2, "reverse proxy"},
	{"\nmetrics-listen = \"[::ffff:127.0.0.1]:9735\"\n", 2, "reverse proxy"},
	{"\nmetrics-listen = 9735\n", 2, "is no address"},
	{"\nmetrics-listen = \"localhost:9735\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"127.0.0.1\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"127.0.0.1:\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"127.0.0.1:65536\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"127.0.0.1:-1\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"127.0.0.1:97x\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"127.0.0.1.1:97\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"::1:9735\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"[::1]\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"[fe80::1%eth0]:97\"\n", 2, "is no address"},
	{"\nmetrics-listen = \"\"\n", 2, "is no address"},
	{"repository = /r\nvolume a { device = /d }\n\nvolume a { device = /e }\n", 4,
	 "duplicate title 'a'"},
	{"repository = /r\nvolume a { device = /d }\n\nvolume b {\ndevice = /d }\n", 5,
	 "volume \"b\": has the device of another one"},
	{"repository = /r\nvolume a { device = /d\nmode = both }\n", 3, "mode = both: is \"stream\" or"},
	{"repository = /r\nvolume a { device = /d\nschedule = 1h }\n", 3, "are for mode = track"},
	{"repository = /r\nvolume a { device = /d\nhook = /h }\n", 3, "are for mode = track"},
	{"repository = /r\nvolume a { device = /d\nmode = track schedule = 1s }\n", 3, "is no schedule"},
	{"repository = /r\nvolume a { device = /d\nmode = track schedule = noon }\n", 3, "is no schedule"},
	{"repository = /r\nvolume a { device = /d\nmode = track jitter = x }\n", 3, "is no span of time"},
	{"repository = /r\nvolume a { device = /d\nmode = track hook = h }\n", 3, "is no path"},
	{"repository = /r\nvolume a { device = /d\nmode = track rate = fast }\n", 3,
	 "rate = fast: is no rate; give bytes per second from 1M on"},
	{"repository = /r\nvolume a { device = /d\nmode = track rate = 50 }\n", 3, "is no rate"},
	{"repository = /r\nvolume a { device = /d\nmode = track cpu-share = 50 }\n", 3,
	 "cpu-share = 50: is no share; give percents"},
	{"repository = /r\nvolume a { device = /d\nmode = track io-class = realtime }\n", 3,
	 "io-class = realtime: is no I/O class; give idle"},
	{"repository = /r\nvolume a { device = /d mode = track }\n"
	 "group g { volumes = {a}\nrate = 1K }\n", 4, "rate = 1K: is no rate"},
	{"repository = /r\nvolume a { device = /d\nrate = 50M }\n", 3, "of a stream it is \"scan-rate\""},
	{"repository = /r\nvolume a { device = /d\nio-class = idle }\n", 3, "are for mode = track"},
	{"repository = /r\nvolume a { device = /d\nkeep-last = 0 }\n", 3, "from 1 on, or \"all\""},
	{"repository = /r\nvolume a { device = /d\nkeep-yearly = 1y }\n", 3, "from 1 on, or \"all\""},
	{"repository = /r\nvolume a { device = /d\nkeep-within = 7 }\n", 3, "is no span of time from 1h"},
	{"repository = /r\nvolume a { device = /d\nkeep-within = 1s }\n", 3, "is no span of time from 1h"},
	{"volume a { device = /d\nmode = track }\n", 2, "volume \"a\": has no repository"},
	{"repository = /r\nvolume a { mode = track\n}\n", 3, "volume \"a\": has no device"},
	{"repository = /r\nvolume \"a/b\" { device = /d\nmode = track }\n", 3, "has a /"},
	{"repository = /r\nvolume \"..\" { device = /d\nmode = track }\n", 3, "begins with a dot"},
	{"repository = /r\nvolume a { device = /d }\ngroup g { volumes = {a} }\n", 2,
	 "so its mode has to be track"},
	{"repository = /r\nvolume a { device = /d mode = track schedule = 1h }\ngroup g { volumes = {a} }\n",
	 2, "is in a group, which is where"},
	{"repository = /r\nvolume a { device = /d mode = track cpu-share = 5% }\n"
	 "group g { volumes = {a} }\n", 2, "hook, limits and keep rules belong"},
	{"repository = /r\nvolume a { device = /d mode = track }\ngroup g { volumes = {a} }\n"
	 "group h { volumes = {a} }\n", 2, "is in several groups"},
	{"repository = /r\nvolume a { device = /d mode = track }\ngroup g { volumes = {a, b} }\n", 3,
	 "there is no volume \"b\""},
	{"repository = /r\nvolume a { device = /d mode = track }\ngroup g { volumes = {a, a} }\n", 3,
	 "names a volume twice"},
	{"repository = /r\nvolume a { device = /d mode = track }\ngroup g { schedule = 1h }\n", 3,
	 "names no volumes"},
	{"repository = /r\nvolume a { device = /d mode = track }\ngroup a { volumes = {a} }\n", 3,
	 "has the name of a volume"},
	{"repository = /r\nvolume a { device = /d mode = track repository = /s }\n"
	 "group g { volumes = {a} }\n", 3, "has volumes of another repository"},
	{"repository = /r\nvolume a { device = /d mode = track }\nvolume b {\ndevice = /d }\n", 4,
	 "volume \"b\": has the device of another one"},
};

static void jobs_are_tracked_volumes_groups_and_retention(void **state)
{
	struct fixture *fixture = *state;
	const struct job_settings *job;
	struct config config;

	write_config(fixture, "repository = /r\nvolume a { device = /d mode = track }\n"
			      "volume b { device = /e mode = track repository = /s }\n"
			      "volume c { device = /f mode = track repository = /s }\n"
			      "volume d { device = /g keep-last = 3 keep-within = 2d }\n"
			      "volume e { device = /h }\n"
			      "group g { repository = /s volumes = {b, c} schedule = \"Mon 02:30\"\n"
			      "jitter = 1h hook = /hook hook-timeout = 5s keep-daily = all\n"
			      "rate = 50M io-class = best-effort:7 }\n");
	assert_int_equal(config_read(fixture->path, &config), 0);
	assert_int_equal(config.nr_volumes, 2);
	assert_string_equal(config.volumes[0].name, "d");
	assert_int_equal(config.nr_jobs, 3);
	job = config.jobs[0];
	assert_string_equal(job->name, "a");
	assert_true(job->backs_up);
	assert_int_equal(job->schedule.interval_s, 3600);
	assert_int_equal(job->schedule.late_s, 0);
	assert_int_equal(job->keeps.nr, 0);
	assert_int_equal(job->limits.nr, 0);
	assert_null(job->hook);
	job = config.jobs[1];
	assert_string_equal(job->name, "d");
	assert_false(job->backs_up);
	assert_int_equal(job->keeps.nr, 2);
	assert_string_equal(job->keeps.options[1].name, "--keep-within");
	assert_string_equal(job->keeps.options[1].value, "2d");
	job = config.jobs[2];
	assert_string_equal(job->repository, "/s");
	assert_int_equal(job->nr_volumes, 2);
	assert_string_equal(job->volumes[1].name, "c");
	assert_string_equal(job->volumes[1].device, "/f");
	assert_string_equal(job->schedule_text, "Mon 02:30");
	assert_int_equal(job->schedule.interval_s, 0);
	assert_string_equal(job->hook, "/hook");
	assert_string_equal(job->hook_timeout, "5s");
	assert_int_equal(job->limits.nr, 2);
	assert_string_equal(job->limits.options[0].name, "--rate");
	assert_string_equal(job->limits.options[0].value, "50M");
	assert_string_equal(job->limits.options[1].name, "--io-class");
	assert_string_equal(job->limits.options[1].value, "best-effort:7");
	config_clear(&config);
}

static void each_difference_of_a_job_counts(void **state)
{
	static const char *const differences[] = {
		"schedule = 2h", "jitter = 7d", "hook = /h", "hook-timeout = 1s", "keep-last = 1",
		"keep-within = 1d", "repository = /s", "rate = 1M", "cpu-share = 1%",
		"io-class = idle",
	};
	struct fixture *fixture = *state;
	struct config one, other;
	char text[256];

	write_config(fixture, "repository = /r\nvolume a { device = /d mode = track }\n");
	assert_int_equal(config_read(fixture->path, &one), 0);
	assert_int_equal(config_read(fixture->path, &other), 0);
	assert_true(job_settings_same(one.jobs[0], other.jobs[0]));
	config_clear(&other);
	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		snprintf(text, sizeof(text), "repository = /r\nvolume a { device = /d mode = track %s }\n",
			 differences[i]);
		write_config(fixture, text);
		assert_int_equal(config_read(fixture->path, &other), 0);
		if (job_settings_same(one.jobs[0], other.jobs[0]))
			fail_msg("%s makes no difference", differences[i]);
		config_clear(&other);
	}
	config_clear(&one);
}

static void a_mistake_is_named_with_its_place(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		const struct mistake *mistake = &mistakes[i];
		struct config config = {.nr_volumes = 17};
		char place[128];

		snprintf(place, sizeof(place), mistake->line ? "%s, line %u: " : "%s: ",
			 fixture->path, mistake->line);
		write_config(fixture, mistake->text);
		if (config_read(fixture->path, &config) != -EINVAL || config.nr_volumes != 17)
			fail_msg("\"%s\" is taken", mistake->text);
		if (strncmp(failure_text(), place, strlen(place)) != 0 ||
		    !strstr(failure_text(), mistake->says))
			fail_msg("of \"%s\": %s; expected %s...%s", mistake->text, failure_text(),
				 place, mistake->says);
	}
}

static void a_config_that_is_not_there_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct config config;

	assert_int_equal(config_read(fixture->path, &config), -ENOENT);
	assert_non_null(strstr(failure_text(), fixture->path));
	assert_int_equal(config_read(fixture->directory, &config), -EISDIR);
	assert_non_null(strstr(failure_text(), fixture->directory));
}

static void each_difference_of_a_volume_counts(void **state)
{
	const struct protection_settings one = {
		.name = "a", .device = "/d", .repository = "/r", .rpo_ns = 1, .points_ns = 2,
		.scan_bytes_per_second = 3, .memory_bytes = 4,
	};
	struct protection_settings others[7];

	for (size_t i = 0; i < 7; i++)
		others[i] = one;
	assert_true(config_same_volume(&one, &others[0]));
	others[0].name = "b";
	others[1].device = "/e";
	others[2].repository = "/s";
	others[3].rpo_ns++;
	others[4].points_ns++;
	others[5].scan_bytes_per_second++;
	others[6].memory_bytes++;
	for (size_t i = 0; i < 7; i++)
		assert_false(config_same_volume(&one, &others[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_said_has_a_default),
		TEST(each_volume_says_its_own),
		TEST(metrics_go_where_the_config_says),
		TEST(a_mistake_is_named_with_its_place),
		TEST(a_config_that_is_not_there_is_named),
		TEST(each_difference_of_a_volume_counts),
		TEST(jobs_are_tracked_volumes_groups_and_retention),
		TEST(each_difference_of_a_job_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
