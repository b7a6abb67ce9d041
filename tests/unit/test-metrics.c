// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What becomes of a status as metrics, to the byte.
 */
#include "daemon/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUILD                                                                 \
	"# HELP tidemark_build_info The tidemarkd that runs.\n"               \
	"# TYPE tidemark_build_info gauge\n"                                  \
	"tidemark_build_info{version=\"" TIDEMARK_VERSION "\"} 1\n"

static char *render(const char *status)
{
	struct json_object *object = json_tokener_parse(status);
	char *text;

	assert_non_null(object);
	text = metrics_render(object);
	json_object_put(object);
	assert_non_null(text);
	return text;
}

static void is_rendered_as(const char *status, const char *expected)
{
	char *text = render(status);

	assert_string_equal(text, expected);
	free(text);
}

static void has_line(const char *text, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(text, whole))
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void no_volume_is_no_sample(void **state)
{
	is_rendered_as("{}", BUILD);
	is_rendered_as("{\"volumes\": []}", BUILD);
}

static const char one_volume[] =
	"{\"volumes\": [{\"volume\": \"data\", \"device\": \"/dev/vdb\", \"repository\": \"/r\","
	" \"volume_id\": \"wwid:1\", \"volume_bytes\": 1048576, \"state\": \"streaming\","
	" \"state_since_ms\": 1795788245001, \"reason\": \"\", \"failing_since_ms\": 0,"
	" \"protected_since_ms\": 1795788245000, \"scan_bytes\": 4096, \"scanned_bytes\": 4096,"
	" \"seq\": 42, \"durable_seq\": 40, \"streamed_bytes\": 8192, \"rereads\": 0, \"gaps\": 1,"
	" \"rpo_ms\": 5000, \"lag_ms\": 20, \"durable_ms\": 1795788245250, \"ring_bytes\": 65536,"
	" \"ring_waiting_bytes\": 128, \"point\": \"aa\", \"point_ms\": 1795788200000,"
	" \"point_checked_ms\": 1795788201000, \"points_every_ms\": 3600000, \"dirty_bytes\": 0, \"stalls\": 3,"
	" \"device_state\": \"ok\"}]}";

static const char one_volume_rendered[] = BUILD
	"# HELP tidemark_volume_info What the volume is and where it is kept.\n"
	"# TYPE tidemark_volume_info gauge\n"
	"tidemark_volume_info{volume=\"data\",device=\"/dev/vdb\",repository=\"/r\","
	"volume_id=\"wwid:1\"} 1\n"
	"# HELP tidemark_state 1 for the state that the volume is in, 0 for the others.\n"
	"# TYPE tidemark_state gauge\n"
	"tidemark_state{volume=\"data\",state=\"starting\"} 0\n"
	"tidemark_state{volume=\"data\",state=\"scanning\"} 0\n"
	"tidemark_state{volume=\"data\",state=\"streaming\"} 1\n"
	"tidemark_state{volume=\"data\",state=\"waiting\"} 0\n"
	"# HELP tidemark_device_state 1 for what has become of the attached device, 0 for what has "
	"not.\n"
	"# TYPE tidemark_device_state gauge\n"
	"tidemark_device_state{volume=\"data\",state=\"ok\"} 1\n"
	"tidemark_device_state{volume=\"data\",state=\"grown\"} 0\n"
	"tidemark_device_state{volume=\"data\",state=\"short\"} 0\n"
	"tidemark_device_state{volume=\"data\",state=\"gone\"} 0\n"
	"tidemark_device_state{volume=\"data\",state=\"replaced\"} 0\n"
	"# HELP tidemark_volume_bytes Size of the volume.\n"
	"# TYPE tidemark_volume_bytes gauge\n"
	"tidemark_volume_bytes{volume=\"data\"} 1048576\n"
	"# HELP tidemark_state_start_timestamp_seconds Since when the volume is in its state.\n"
	"# TYPE tidemark_state_start_timestamp_seconds gauge\n"
	"tidemark_state_start_timestamp_seconds{volume=\"data\"} 1795788245.001\n"
	"# HELP tidemark_protected_since_timestamp_seconds Since when every instant is kept without "
	"a hole; missing while none is.\n"
	"# TYPE tidemark_protected_since_timestamp_seconds gauge\n"
	"tidemark_protected_since_timestamp_seconds{volume=\"data\"} 1795788245.000\n"
	"# HELP tidemark_rpo_seconds How soon a write is to be durable in the repository.\n"
	"# TYPE tidemark_rpo_seconds gauge\n"
	"tidemark_rpo_seconds{volume=\"data\"} 5.000\n"
	"# HELP tidemark_lag_seconds Age of the oldest write that may not be durable; 0 when all "
	"are.\n"
	"# TYPE tidemark_lag_seconds gauge\n"
	"tidemark_lag_seconds{volume=\"data\"} 0.020\n"
	"# HELP tidemark_durable_timestamp_seconds Until when every instant is known to be "
	"durable.\n"
	"# TYPE tidemark_durable_timestamp_seconds gauge\n"
	"tidemark_durable_timestamp_seconds{volume=\"data\"} 1795788245.250\n"
	"# HELP tidemark_point_timestamp_seconds Instant of the latest restore point.\n"
	"# TYPE tidemark_point_timestamp_seconds gauge\n"
	"tidemark_point_timestamp_seconds{volume=\"data\"} 1795788200.000\n"
	"# HELP tidemark_point_checked_timestamp_seconds When the latest restore point was made, or "
	"found to lack nothing.\n"
	"# TYPE tidemark_point_checked_timestamp_seconds gauge\n"
	"tidemark_point_checked_timestamp_seconds{volume=\"data\"} 1795788201.000\n"
	"# HELP tidemark_points_interval_seconds How often a restore point is to be made; 0 for "
	"never.\n"
	"# TYPE tidemark_points_interval_seconds gauge\n"
	"tidemark_points_interval_seconds{volume=\"data\"} 3600.000\n"
	"# HELP tidemark_dirty_bytes What the kernel module would have read again after a "
	"failure.\n"
	"# TYPE tidemark_dirty_bytes gauge\n"
	"tidemark_dirty_bytes{volume=\"data\"} 0\n"
	"# HELP tidemark_ring_bytes Size of the ring between the kernel module and tidemarkd.\n"
	"# TYPE tidemark_ring_bytes gauge\n"
	"tidemark_ring_bytes{volume=\"data\"} 65536\n"
	"# HELP tidemark_ring_used_bytes What waits in the ring.\n"
	"# TYPE tidemark_ring_used_bytes gauge\n"
	"tidemark_ring_used_bytes{volume=\"data\"} 128\n"
	"# HELP tidemark_scan_bytes What the latest scan of the device has to read.\n"
	"# TYPE tidemark_scan_bytes gauge\n"
	"tidemark_scan_bytes{volume=\"data\"} 4096\n"
	"# HELP tidemark_scanned_bytes What the latest scan of the device has read.\n"
	"# TYPE tidemark_scanned_bytes gauge\n"
	"tidemark_scanned_bytes{volume=\"data\"} 4096\n"
	"# HELP tidemark_journal_records_total Number of the latest record of the volume's "
	"journal.\n"
	"# TYPE tidemark_journal_records_total counter\n"
	"tidemark_journal_records_total{volume=\"data\"} 42\n"
	"# HELP tidemark_journal_durable_records_total Number of the latest record that is "
	"durable.\n"
	"# TYPE tidemark_journal_durable_records_total counter\n"
	"tidemark_journal_durable_records_total{volume=\"data\"} 40\n"
	"# HELP tidemark_streamed_bytes_total Content of the writes that were kept.\n"
	"# TYPE tidemark_streamed_bytes_total counter\n"
	"tidemark_streamed_bytes_total{volume=\"data\"} 8192\n"
	"# HELP tidemark_rereads_total Ranges that were read again because a write failed, or was "
	"in flight at the start.\n"
	"# TYPE tidemark_rereads_total counter\n"
	"tidemark_rereads_total{volume=\"data\"} 0\n"
	"# HELP tidemark_gaps_total Times that the stream was interrupted because the ring was "
	"full.\n"
	"# TYPE tidemark_gaps_total counter\n"
	"tidemark_gaps_total{volume=\"data\"} 1\n"
	"# HELP tidemark_stalls_total Writes that had to wait for room in the ring, since the "
	"volume was attached.\n"
	"# TYPE tidemark_stalls_total counter\n"
	"tidemark_stalls_total{volume=\"data\"} 3\n";

static void a_volume_is_rendered_as_a_whole(void **state)
{
	is_rendered_as(one_volume, one_volume_rendered);
}

/* As tidemarkd reports it before anything could be opened. */
static void what_never_had_a_value_has_no_sample(void **state)
{
	is_rendered_as("{\"volumes\": [{\"volume\": \"new\", \"device\": \"/d\","
		       " \"repository\": \"/r\", \"volume_id\": \"\", \"volume_bytes\": 0,"
		       " \"state\": \"waiting\", \"state_since_ms\": 0, \"protected_since_ms\": 0,"
		       " \"failing_since_ms\": 1500, \"rpo_ms\": 1000, \"lag_ms\": null,"
		       " \"durable_ms\": 0, \"ring_bytes\": null, \"seq\": 0, \"durable_seq\": 0,"
		       " \"point_ms\": 0, \"dirty_bytes\": null, \"stalls\": null,"
		       " \"device_state\": null}]}",
		       BUILD
		       "# HELP tidemark_volume_info What the volume is and where it is kept.\n"
		       "# TYPE tidemark_volume_info gauge\n"
		       "tidemark_volume_info{volume=\"new\",device=\"/d\",repository=\"/r\","
		       "volume_id=\"\"} 1\n"
		       "# HELP tidemark_state 1 for the state that the volume is in, 0 for the "
		       "others.\n"
		       "# TYPE tidemark_state gauge\n"
		       "tidemark_state{volume=\"new\",state=\"starting\"} 0\n"
		       "tidemark_state{volume=\"new\",state=\"scanning\"} 0\n"
		       "tidemark_state{volume=\"new\",state=\"streaming\"} 0\n"
		       "tidemark_state{volume=\"new\",state=\"waiting\"} 1\n"
		       "# HELP tidemark_failing_since_timestamp_seconds Since when protecting the "
		       "volume fails; missing while it does not.\n"
		       "# TYPE tidemark_failing_since_timestamp_seconds gauge\n"
		       "tidemark_failing_since_timestamp_seconds{volume=\"new\"} 1.500\n"
		       "# HELP tidemark_rpo_seconds How soon a write is to be durable in the "
		       "repository.\n"
		       "# TYPE tidemark_rpo_seconds gauge\n"
		       "tidemark_rpo_seconds{volume=\"new\"} 1.000\n");
}

/* The lines of one metric stand together, whoever has a sample of it. */
static void volumes_share_the_head_of_a_metric(void **state)
{
	char *text = render("{\"volumes\": [{\"volume\": \"a\", \"seq\": 1, \"lag_ms\": null},"
			    "{\"volume\": \"b\", \"seq\": 2, \"lag_ms\": 1500},"
			    "{\"volume\": \"c\", \"seq\": 18446744073709551615}]}");

	has_line(text, "# TYPE tidemark_journal_records_total counter\n"
		       "tidemark_journal_records_total{volume=\"a\"} 1\n"
		       "tidemark_journal_records_total{volume=\"b\"} 2\n"
		       "tidemark_journal_records_total{volume=\"c\"} 18446744073709551615");
	has_line(text, "# TYPE tidemark_lag_seconds gauge\n"
		       "tidemark_lag_seconds{volume=\"b\"} 1.500");
	assert_null(strstr(text, "tidemark_lag_seconds{volume=\"a\"}"));
	assert_null(strstr(text, "tidemark_device_state"));
	free(text);
}

static void jobs_are_rendered_as_well(void **state)
{
	is_rendered_as("{\"volumes\": [], \"jobs\": [{\"job\": \"nightly\", \"does\": \"backup\","
		       " \"repository\": \"/r\", \"schedule\": \"02:30\", \"state\": \"failed\","
		       " \"failures\": 2, \"succeeded_ms\": 1795788245000,"
		       " \"due_ms\": 1795788300000}, {\"job\": \"new\", \"failures\": 0,"
		       " \"succeeded_ms\": 0}]}",
		       BUILD
		       "# HELP tidemark_job_info What the job does, where and when.\n"
		       "# TYPE tidemark_job_info gauge\n"
		       "tidemark_job_info{job=\"nightly\",does=\"backup\",repository=\"/r\","
		       "schedule=\"02:30\"} 1\n"
		       "tidemark_job_info{job=\"new\",does=\"\",repository=\"\",schedule=\"\"} 1\n"
		       "# HELP tidemark_job_state 1 for the state that the job is in, 0 for the "
		       "others.\n"
		       "# TYPE tidemark_job_state gauge\n"
		       "tidemark_job_state{job=\"nightly\",state=\"waiting\"} 0\n"
		       "tidemark_job_state{job=\"nightly\",state=\"running\"} 0\n"
		       "tidemark_job_state{job=\"nightly\",state=\"failed\"} 1\n"
		       "tidemark_job_state{job=\"nightly\",state=\"paused\"} 0\n"
		       "tidemark_job_state{job=\"nightly\",state=\"away\"} 0\n"
		       "# HELP tidemark_job_failures Runs that failed since the last one that "
		       "succeeded.\n"
		       "# TYPE tidemark_job_failures gauge\n"
		       "tidemark_job_failures{job=\"nightly\"} 2\n"
		       "tidemark_job_failures{job=\"new\"} 0\n"
		       "# HELP tidemark_job_success_timestamp_seconds End of the last run that "
		       "succeeded.\n"
		       "# TYPE tidemark_job_success_timestamp_seconds gauge\n"
		       "tidemark_job_success_timestamp_seconds{job=\"nightly\"} 1795788245.000\n"
		       "# HELP tidemark_job_due_timestamp_seconds When the next run is due.\n"
		       "# TYPE tidemark_job_due_timestamp_seconds gauge\n"
		       "tidemark_job_due_timestamp_seconds{job=\"nightly\"} 1795788300.000\n");
}

static void labels_are_escaped(void **state)
{
	static const struct {
		const char *name, *label;
	} cases[] = {
		{"a b", "a b"},
		{"a\\b", "a\\\\b"},
		{"a\"b", "a\\\"b"},
		{"a\nb", "a\\nb"},
		{"\\n", "\\\\n"},
		{"\"", "\\\""},
		{"a,b}=1", "a,b}=1"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac\xf0\x9f\x92\xbe", "\xe2\x82\xac\xf0\x9f\x92\xbe"},
		{"a\xff" "b", "a\xef\xbf\xbd" "b"},
		{"a\xc3", "a\xef\xbf\xbd"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe2\x82\"", "\xef\xbf\xbd\xef\xbf\xbd\\\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json_object *status = json_object_new_object();
		struct json_object *volumes = json_object_new_array();
		struct json_object *volume = json_object_new_object();
		char line[128], *text;

		json_object_object_add(volume, "volume", json_object_new_string(cases[i].name));
		json_object_object_add(volume, "seq", json_object_new_int(7));
		json_object_array_add(volumes, volume);
		json_object_object_add(status, "volumes", volumes);
		text = metrics_render(status);
		snprintf(line, sizeof(line), "tidemark_journal_records_total{volume=\"%s\"} 7",
			 cases[i].label);
		has_line(text, line);
		free(text);
		json_object_put(status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_volume_is_no_sample),
		cmocka_unit_test(a_volume_is_rendered_as_a_whole),
		cmocka_unit_test(what_never_had_a_value_has_no_sample),
		cmocka_unit_test(volumes_share_the_head_of_a_metric),
		cmocka_unit_test(jobs_are_rendered_as_well),
		cmocka_unit_test(labels_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
