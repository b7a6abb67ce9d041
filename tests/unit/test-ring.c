// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The consumer against a producer in plain memory, honest and otherwise.
 */
#include "agent/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uapi/tidemark.h>

#define RING_BYTES 4096u

/* The kernel's double mapping is imitated by writing everything twice. */
struct fake {
	struct tidemark_ring_consumer consumer;
	struct tidemark_ring_producer producer;
	uint8_t *data;
	uint64_t seq;
	struct ring ring;
};

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	fake->data = calloc(2, RING_BYTES);
	ring_init(&fake->ring, &fake->consumer, &fake->producer, fake->data, RING_BYTES);
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	struct fake *fake = *state;

	free(fake->data);
	free(fake);
	return 0;
}

static void store(struct fake *fake, uint64_t position, const void *bytes, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		size_t at = (position + i) % RING_BYTES;

		fake->data[at] = fake->data[at + RING_BYTES] = ((const uint8_t *)bytes)[i];
	}
}

static struct tidemark_record record(struct fake *fake, uint64_t chunk, uint32_t payload_bytes)
{
	return (struct tidemark_record){
		.record_bytes =
			(uint32_t)(sizeof(struct tidemark_record) + payload_bytes + 63) / 64 * 64,
		.type = TIDEMARK_RECORD_PRESERVED,
		.seq = ++fake->seq,
		.epoch = 7,
		.chunk = chunk,
		.payload_bytes = payload_bytes,
	};
}

static void produce(struct fake *fake, const struct tidemark_record *header, uint8_t fill)
{
	uint8_t payload[RING_BYTES];

	memset(payload, fill, sizeof(payload));
	store(fake, fake->producer.producer_pos, header, sizeof(*header));
	store(fake, fake->producer.producer_pos + sizeof(*header), payload, header->payload_bytes);
	fake->producer.producer_pos += header->record_bytes;
}

static void an_empty_ring_has_no_record(void **state)
{
	struct fake *fake = *state;
	struct ring_record seen;

	assert_int_equal(ring_peek(&fake->ring, &seen), 0);
	assert_int_equal(fake->consumer.consumer_pos, 0);
}

static void records_come_in_order_over_many_wraps(void **state)
{
	struct fake *fake = *state;

	for (uint64_t i = 0; i < 1000; i++) {
		struct tidemark_record header = record(fake, i, (uint32_t)(i % 1500));
		struct ring_record seen;

		produce(fake, &header, (uint8_t)i);
		assert_int_equal(ring_peek(&fake->ring, &seen), 1);
		assert_int_equal(seen.type, TIDEMARK_RECORD_PRESERVED);
		assert_int_equal(seen.epoch, 7);
		assert_int_equal(seen.chunk, i);
		assert_int_equal(seen.payload_bytes, i % 1500);
		for (uint32_t b = 0; b < seen.payload_bytes; b++)
			assert_int_equal(((const uint8_t *)seen.payload)[b], (uint8_t)i);
		ring_consume(&fake->ring);
		assert_int_equal(fake->consumer.consumer_pos, fake->producer.producer_pos);
	}
}

static void positions_wrap_at_their_own_end(void **state)
{
	struct fake *fake = *state;
	uint64_t start = UINT64_MAX - 2 * RING_BYTES + 1;
	struct ring_record seen;

	fake->ring.position = fake->producer.producer_pos = start;
	for (uint64_t i = 0; i < 100; i++) {
		struct tidemark_record header = record(fake, i, 1000);

		produce(fake, &header, 1);
		assert_int_equal(ring_peek(&fake->ring, &seen), 1);
		ring_consume(&fake->ring);
	}
	assert_true(fake->producer.producer_pos < start);
}

static void a_peeked_record_stays_until_it_is_consumed(void **state)
{
	struct fake *fake = *state;
	struct tidemark_record header = record(fake, 3, 64);
	struct ring_record first, second;

	produce(fake, &header, 9);
	assert_int_equal(ring_peek(&fake->ring, &first), 1);
	assert_int_equal(ring_peek(&fake->ring, &second), 1);
	assert_int_equal(first.chunk, second.chunk);
	assert_int_equal(fake->consumer.consumer_pos, 0);
}

/* Five records, of which three were consumed; then the next process. */
static void leave_off(struct fake *fake)
{
	for (uint64_t i = 0; i < 5; i++) {
		struct tidemark_record header = record(fake, i, 100);

		produce(fake, &header, (uint8_t)i);
	}
	fake->producer.stream_state = TIDEMARK_STREAM_ON;
	fake->consumer.consumer_pos = 3 * 192;
	ring_init(&fake->ring, &fake->consumer, &fake->producer, fake->data, RING_BYTES);
}

static void a_ring_is_resumed_where_it_was_left_off(void **state)
{
	struct fake *fake = *state;
	struct ring_record seen;

	leave_off(fake);
	assert_int_equal(ring_resume(&fake->ring, 3 * 192, 3), 0);
	for (uint64_t i = 3; i < 5; i++) {
		assert_int_equal(ring_peek(&fake->ring, &seen), 1);
		assert_int_equal(seen.chunk, i);
		ring_consume(&fake->ring);
	}
	assert_int_equal(ring_consumed_seq(&fake->ring), 5);
	assert_int_equal(ring_consumed_position(&fake->ring), fake->producer.producer_pos);
	assert_int_equal(ring_peek(&fake->ring, &seen), 0);
}

static void assert_not_resumed(struct fake *fake, uint64_t position, uint64_t last_seq)
{
	assert_int_equal(ring_resume(&fake->ring, position, last_seq), -ESTALE);
}

static void a_ring_is_resumed_nowhere_else(void **state)
{
	struct fake *fake = *state;

	leave_off(fake);
	assert_not_resumed(fake, 2 * 192, 2);
	assert_not_resumed(fake, 4 * 192, 4);
	fake->consumer.consumer_pos = 3 * 192 + 8; /* where none begins */
	assert_not_resumed(fake, 3 * 192 + 8, 3);
	fake->consumer.consumer_pos = 6 * 192; /* beyond its end */
	assert_not_resumed(fake, 6 * 192, 6);
	fake->consumer.consumer_pos = 0; /* overwritten */
	fake->producer.producer_pos = RING_BYTES + 64;
	assert_not_resumed(fake, 0, 0);
}

static void a_stream_that_has_ended_is_resumed_up_to_its_end(void **state)
{
	struct fake *fake = *state;

	leave_off(fake);
	fake->producer.stream_state = TIDEMARK_STREAM_OFF;
	assert_not_resumed(fake, 3 * 192, 3);
	fake->producer.stream_state = TIDEMARK_STREAM_BEHIND;
	fake->producer.stream_last_seq = 2;
	assert_not_resumed(fake, 3 * 192, 3);
	fake->producer.stream_last_seq = 3;
	assert_int_equal(ring_resume(&fake->ring, 3 * 192, 3), 0);
	assert_true(ring_stream_has_ended(&fake->ring));
	fake->producer.stream_last_seq = 5;
	assert_int_equal(ring_resume(&fake->ring, 3 * 192, 3), 0);
	assert_false(ring_stream_has_ended(&fake->ring));
}

static void an_unreadable_chunk_has_no_payload(void **state)
{
	struct fake *fake = *state;
	struct tidemark_record header = record(fake, 5, 0);
	struct ring_record seen;

	header.type = TIDEMARK_RECORD_UNREADABLE;
	produce(fake, &header, 0);
	assert_int_equal(ring_peek(&fake->ring, &seen), 1);
	assert_int_equal(seen.type, TIDEMARK_RECORD_UNREADABLE);
}

static void a_record_of_the_stream_says_what_the_module_said(void **state)
{
	struct fake *fake = *state;
	struct tidemark_record header = record(fake, 0, 512);
	struct ring_record seen;

	header.type = TIDEMARK_RECORD_WRITE;
	header.flags = TIDEMARK_RECORD_FUA | TIDEMARK_RECORD_MORE;
	header.time_ns = 12345;
	header.sector = 1ull << 40;
	header.nr_sectors = 1;
	fake->producer.stream_state = TIDEMARK_STREAM_ON;
	produce(fake, &header, 3);
	assert_int_equal(ring_peek(&fake->ring, &seen), 1);
	assert_int_equal(seen.type, TIDEMARK_RECORD_WRITE);
	assert_int_equal(seen.flags, TIDEMARK_RECORD_FUA | TIDEMARK_RECORD_MORE);
	assert_int_equal(seen.time_ns, 12345);
	assert_int_equal(seen.sector, 1ull << 40);
	assert_int_equal(seen.nr_sectors, 1);
	assert_int_equal(seen.payload_bytes, 512);
	fake->producer.stream_state = TIDEMARK_STREAM_BEHIND;
	fake->producer.stream_last_seq = 1;
	assert_false(ring_stream_has_ended(&fake->ring));
	ring_consume(&fake->ring);
	assert_int_equal(ring_consumed_seq(&fake->ring), 1);
	assert_true(ring_stream_has_ended(&fake->ring));
	fake->producer.stream_state = TIDEMARK_STREAM_ON;
	assert_false(ring_stream_has_ended(&fake->ring));
}

static void assert_nonsense(struct fake *fake, const struct tidemark_record *header)
{
	struct ring_record seen;

	store(fake, 0, header, sizeof(*header));
	assert_int_equal(ring_peek(&fake->ring, &seen), -EPROTO);
	assert_int_equal(fake->consumer.consumer_pos, 0);
}

static void nonsense_is_refused_and_not_consumed(void **state)
{
	static const uint32_t record_sizes[] = {0, 1, 63, 65, 32, 320, RING_BYTES, UINT32_MAX,
						0x80000000u, 0xffffffc0u};
	struct fake *fake = *state;
	struct tidemark_record good = record(fake, 1, 100);
	struct tidemark_record bad;

	fake->producer.producer_pos = 256;
	for (size_t i = 0; i < sizeof(record_sizes) / sizeof(record_sizes[0]); i++) {
		bad = good;
		bad.record_bytes = record_sizes[i];
		assert_nonsense(fake, &bad);
	}
	bad = good;
	bad.payload_bytes = bad.record_bytes - 63;
	assert_nonsense(fake, &bad);
	bad.payload_bytes = UINT32_MAX;
	assert_nonsense(fake, &bad);
	bad = good;
	bad.seq = 2;
	assert_nonsense(fake, &bad);
	bad = good;
	bad.type = 0;
	assert_nonsense(fake, &bad);
	bad.type = TIDEMARK_RECORD_RESCAN + 1;
	assert_nonsense(fake, &bad);
}

static void a_producer_position_that_cannot_be_is_refused(void **state)
{
	static const uint64_t positions[] = {1, 63, RING_BYTES + 64, UINT64_MAX, UINT64_MAX - 63,
					     1ull << 31 | 1ull << 40, 1ull << 63};
	struct fake *fake = *state;
	struct ring_record seen;

	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		fake->producer.producer_pos = positions[i];
		assert_int_equal(ring_peek(&fake->ring, &seen), -EPROTO);
	}
}

static void random_bytes_never_lead_outside(void **state)
{
	struct fake *fake = *state;

	srandom(1);
	for (unsigned int round = 0; round < 20000; round++) {
		struct ring_record seen;
		uint32_t words[16];

		for (size_t i = 0; i < 16; i++)
			words[i] = (uint32_t)random() & (random() % 2 ? 0x1fff : 0xffffffff);
		words[2] = (uint32_t)fake->ring.next_seq;
		words[1] = 1;
		words[3] = 0;
		store(fake, fake->ring.position, words, sizeof(words));
		fake->producer.producer_pos =
			fake->ring.position + 64 * (uint64_t)(random() % (RING_BYTES / 64 + 2));
		if (ring_peek(&fake->ring, &seen) != 1)
			continue;
		/* The sanitizer watches the sum. */
		uint8_t sum = 0;
		for (uint32_t b = 0; b < seen.payload_bytes; b++)
			sum = (uint8_t)(sum + ((const uint8_t *)seen.payload)[b]);
		(void)sum;
		ring_consume(&fake->ring);
		assert_true(fake->ring.position <= fake->producer.producer_pos);
	}
}

static void a_lost_cut_is_seen(void **state)
{
	struct fake *fake = *state;

	assert_false(ring_cut_is_lost(&fake->ring));
	fake->producer.cut_state = TIDEMARK_CUT_ACTIVE;
	assert_false(ring_cut_is_lost(&fake->ring));
	fake->producer.cut_state = TIDEMARK_CUT_LOST;
	assert_true(ring_cut_is_lost(&fake->ring));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_ring_has_no_record),
		TEST(records_come_in_order_over_many_wraps),
		TEST(positions_wrap_at_their_own_end),
		TEST(a_peeked_record_stays_until_it_is_consumed),
		TEST(a_ring_is_resumed_where_it_was_left_off),
		TEST(a_ring_is_resumed_nowhere_else),
		TEST(a_stream_that_has_ended_is_resumed_up_to_its_end),
		TEST(an_unreadable_chunk_has_no_payload),
		TEST(a_record_of_the_stream_says_what_the_module_said),
		TEST(nonsense_is_refused_and_not_consumed),
		TEST(a_producer_position_that_cannot_be_is_refused),
		TEST(random_bytes_never_lead_outside),
		TEST(a_lost_cut_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
