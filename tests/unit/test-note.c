// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Tags and notes of points.
 */
#include "repo_fixture.h"

#include "catalog/repo.h"

#define CHUNK 4096u

static struct tmc_note of_point(struct tmc_repo *repo, const struct tmc_point *point)
{
	const struct tmc_note *found;
	struct tmc_note *notes, note;
	size_t nr;

	assert_success(tmc_note_list(repo, &notes, &nr));
	found = tmc_note_of(notes, nr, point);
	note = found ? *found : (struct tmc_note){ 0 };
	free(notes);
	return note;
}

static struct tmc_note tagged(const struct tmc_point *point, const char *tag, const char *text)
{
	struct tmc_note note = { .point = point->id, .nr_tags = 1 };

	snprintf(note.tags[0], sizeof(note.tags[0]), "%s", tag);
	snprintf(note.text, sizeof(note.text), "%s", text);
	return note;
}

static void make_points(struct tmc_repo *repo, struct tmc_point points[2])
{
	struct model *model = model_mixed(10 * CHUNK, CHUNK);

	for (int i = 0; i < 2; i++)
		assert_success(model_backup(repo, model, NULL, NULL, (uint64_t)i + 1, &points[i]));
	model_destroy(model);
}

static void the_latest_note_of_a_point_counts(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tmc_point points[2];
	struct tmc_note note;

	make_points(repo, points);
	assert_int_equal(of_point(repo, &points[0]).nr_tags, 0);
	for (int i = 0; i < 5; i++) {
		char text[20];

		snprintf(text, sizeof(text), "note %d", i);
		note = tagged(&points[0], i % 2 ? "odd" : "even", text);
		assert_success(tmc_note_put(repo, &note));
	}
	note = of_point(repo, &points[0]);
	assert_string_equal(note.text, "note 4");
	assert_true(tmc_note_has_tag(&note, "even"));
	assert_false(tmc_note_has_tag(&note, "odd"));
	assert_false(tmc_note_has_tag(NULL, "even"));
	assert_int_equal(of_point(repo, &points[1]).nr_tags, 0);
	assert_int_equal(count_files(fixture, "notes"), 1);
	assert_verified(repo, 2);
	tmc_repo_close(repo);
}

/* Two writers at once leave two: then the times decide, whatever the order of names. */
static void of_two_notes_the_later_counts(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct file_list *list = malloc(sizeof(*list));
	struct tmc_point points[2];
	struct tmc_note note;
	size_t bytes;
	uint8_t *data;

	make_points(repo, points);
	for (int i = 0; i < 8; i++) {
		char text[20];

		snprintf(text, sizeof(text), "note %d", i);
		note = tagged(&points[0], "tag", text);
		list_files(fixture, "notes", list);
		data = list->nr ? read_file(list->paths[0], &bytes) : NULL;
		assert_success(tmc_note_put(repo, &note));
		if (data) /* the one before comes back */
			write_file(list->paths[0], data, bytes);
		free(data);
		assert_string_equal(of_point(repo, &points[0]).text, text);
	}
	free(list);
	tmc_repo_close(repo);
}

static void as_many_and_as_long_as_allowed_and_no_more(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tmc_point points[2];
	struct tmc_note note, back;

	make_points(repo, points);
	note = (struct tmc_note){ .point = points[1].id, .nr_tags = TMC_TAGS_MAX };
	memset(note.tags, 'x', sizeof(note.tags));
	memset(note.text, 'y', sizeof(note.text) - 1);
	for (unsigned int i = 0; i < TMC_TAGS_MAX; i++) {
		note.tags[i][0] = (char)('A' + i);
		note.tags[i][TMC_TAG_TEXT - 1] = '\0';
	}
	assert_success(tmc_note_put(repo, &note));
	back = of_point(repo, &points[1]);
	assert_int_equal(back.nr_tags, TMC_TAGS_MAX);
	assert_memory_equal(back.tags, note.tags, sizeof(note.tags));
	assert_string_equal(back.text, note.text);
	note.tags[3][TMC_TAG_TEXT - 1] = 'x';
	assert_int_equal(tmc_note_put(repo, &note), -EINVAL);
	note.nr_tags = 1;
	assert_success(tmc_note_put(repo, &note));
	static const char *const bad[] = { "", "a b", "a,b", "a\nb" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(note.tags[0], sizeof(note.tags[0]), "%s", bad[i]);
		assert_int_equal(tmc_note_put(repo, &note), -EINVAL);
	}
	note.nr_tags = 0;
	note.text[0] = '\0';
	assert_success(tmc_note_put(repo, &note));
	assert_int_equal(of_point(repo, &points[1]).nr_tags, 0);
	tmc_repo_close(repo);
}

static void each_flipped_bit_of_a_note_is_refused_and_repair_puts_it_aside(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	const struct tmc_repair_options options = { .apply = true };
	struct file_list *list = malloc(sizeof(*list));
	struct tmc_repair_result repaired;
	struct tmc_verify_result result;
	struct tmc_point points[2];
	struct tmc_note note, *notes;
	size_t bytes, nr;
	uint8_t *data;

	make_points(repo, points);
	note = tagged(&points[0], "tag", "text");
	assert_success(tmc_note_put(repo, &note));
	list_files(fixture, "notes", list);
	data = read_file(list->paths[0], &bytes);
	for (size_t bit = 0; bit < 8 * bytes; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_file(list->paths[0], data, bytes);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(tmc_note_list(repo, &notes, &nr), -EBADMSG);
		assert_int_equal(nr, 0);
		free(notes);
	}
	assert_int_equal(tmc_verify(repo, NULL, 1, NULL, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(result.damaged_objects, 1);
	assert_int_equal(result.damaged_points, 0);
	assert_success(tmc_repair(repo, &options, &repaired));
	assert_int_equal(repaired.damaged_notes, 1);
	assert_int_equal(count_files(fixture, "aside"), 1);
	assert_verified(repo, 2);
	free(data);
	free(list);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(the_latest_note_of_a_point_counts),
		T(of_two_notes_the_later_counts),
		T(as_many_and_as_long_as_allowed_and_no_more),
		T(each_flipped_bit_of_a_note_is_refused_and_repair_puts_it_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
