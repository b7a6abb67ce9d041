// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A volume's identity: which fact wins, and how it is written.
 */
#include "agent/volume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const struct volume_extent whole = {.start_sector = 0, .nr_sectors = 2048};
static const struct volume_extent part = {.start_sector = 64, .nr_sectors = 128};

static struct volume_facts all_facts(void)
{
	return (struct volume_facts){
		.host = "box",
		.kernel_name = "vdb",
		.dm_uuid = "LVM-abc",
		.md_uuid = "1111:2222",
		.part_uuid = "aaaa-01",
		.wwid = "naa.5000c500",
		.serial = "S1234",
		.table_uuid = "tttt",
		.fs_uuid = "ffff",
		.fs_type = "ext4",
	};
}

static void assert_id(const struct volume_facts *facts, const char *expected)
{
	char text[TMC_TEXT_BYTES];

	volume_id_text(facts, &whole, true, text);
	assert_string_equal(text, expected);
}

static void the_first_fact_in_order_wins(void **state)
{
	struct volume_facts facts = all_facts();

	assert_id(&facts, "dm:LVM-abc");
	facts.dm_uuid[0] = '\0';
	assert_id(&facts, "md:1111:2222");
	facts.md_uuid[0] = '\0';
	assert_id(&facts, "part:aaaa-01");
	facts.part_uuid[0] = '\0';
	assert_id(&facts, "wwid:naa.5000c500");
	facts.wwid[0] = '\0';
	assert_id(&facts, "fs:ffff");
	facts.fs_uuid[0] = '\0';
	assert_id(&facts, "table:tttt");
	facts.table_uuid[0] = '\0';
	assert_id(&facts, "serial:box:S1234");
	facts.serial[0] = '\0';
	assert_id(&facts, "node:box:vdb");
}

static void a_wwid_that_is_only_the_makers_text_does_not_count(void **state)
{
	struct volume_facts facts = all_facts();

	facts.dm_uuid[0] = facts.md_uuid[0] = facts.part_uuid[0] = '\0';
	strcpy(facts.wwid, "t10.ATA     QEMU HARDDISK   QM00001");
	assert_id(&facts, "fs:ffff");
	strcpy(facts.wwid, "eui.0025385b71b0");
	assert_id(&facts, "wwid:eui.0025385b71b0");
}

static void a_range_is_part_of_the_identity(void **state)
{
	struct volume_facts facts = all_facts();
	char text[TMC_TEXT_BYTES];

	volume_id_text(&facts, &part, false, text);
	assert_string_equal(text, "dm:LVM-abc@64+128");
}

static void the_longest_facts_fit(void **state)
{
	struct volume_facts facts = all_facts();
	struct volume_extent far = {.start_sector = UINT64_MAX, .nr_sectors = UINT64_MAX};
	char text[TMC_TEXT_BYTES];

	memset(facts.dm_uuid, 'x', sizeof(facts.dm_uuid) - 1);
	volume_id_text(&facts, &far, false, text);
	assert_int_equal(strlen(text), 3 + 159 + 1 + 20 + 1 + 20);
}

static void content_is_a_file_system_or_a_table(void **state)
{
	struct volume_facts facts = all_facts();

	assert_true(volume_facts_has_content(&facts));
	facts.fs_type[0] = '\0';
	assert_true(volume_facts_has_content(&facts));
	facts.table_uuid[0] = '\0';
	assert_false(volume_facts_has_content(&facts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_fact_in_order_wins),
		cmocka_unit_test(a_wwid_that_is_only_the_makers_text_does_not_count),
		cmocka_unit_test(a_range_is_part_of_the_identity),
		cmocka_unit_test(the_longest_facts_fit),
		cmocka_unit_test(content_is_a_file_system_or_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
