/* Events and snapshots, decoded from bytes. */
#include "../export/check.h"
#include "base/memory.h"
#include "marey/format_encode.h"

static const uint8_t *
with_room(const void *bytes, size_t size)
{
    static uint8_t room[256];

    memset(room, 0, sizeof(room));
    memcpy(room, bytes, size);
    return room;
}

/* Whether all of the bytes are events, and how many. */
static bool
decode(const void *bytes, size_t size, bool is_open, uint64_t *count, uint64_t *ticks)
{
    struct marey_cursor cursor;
    struct marey_event event;

    marey_cursor_init(&cursor, bytes, size, 100, is_open);
    for (*count = 0; marey_cursor_next(&cursor, &event); ++*count)
        *ticks = event.ticks;
    return !cursor.is_bad;
}

TEST(an_event_reads_back_as_it_was_put)
{
    static const struct marey_event events[] = {
        {.kind = MAREY_EVENT_ENTER, .ticks = 100, .function = 1},
        {.kind = MAREY_EVENT_ENTER, .ticks = 101, .function = MAREY_FUNCTION_ID_MAX},
        {.kind = MAREY_EVENT_ENTER, .ticks = 1000000, .function = 5},
        {.kind = MAREY_EVENT_RESUME, .ticks = 1000001, .function = 9, .number = 3},
        {.kind = MAREY_EVENT_THROWN, .ticks = 1000001, .string = 4},
        {.kind = MAREY_EVENT_YIELD, .ticks = 1000002, .function = 9, .number = 3},
        {.kind = MAREY_EVENT_VALUES, .ticks = 1000002, .detail = 2, .number = 8},
        {.kind = MAREY_EVENT_UNWIND, .ticks = UINT64_C(1) << 62, .string = 0},
        {.kind = MAREY_EVENT_COUNTER,
         .ticks = UINT64_C(1) << 62,
         .string = 6,
         .value = -0.5},
        {.kind = MAREY_EVENT_LOG,
         .ticks = UINT64_C(1) << 62,
         .string = 6,
         .detail = 30,
         .number = UINT64_MAX},
        {.kind = MAREY_EVENT_LOST, .ticks = UINT64_C(1) << 63, .number = 12},
        {.kind = MAREY_EVENT_SWITCH, .ticks = UINT64_C(1) << 63, .number = 2},
        {.kind = MAREY_EVENT_FLOW_OUT, .ticks = UINT64_MAX, .number = 1},
        {.kind = MAREY_EVENT_FLOW_IN, .ticks = UINT64_MAX, .number = 1},
        {.kind = MAREY_EVENT_CUT, .ticks = UINT64_MAX},
        {.kind = MAREY_EVENT_LEAVE, .ticks = UINT64_MAX},
    };
    size_t count = sizeof(events) / sizeof(*events);
    struct marey_encoder encoder = {0};
    struct marey_cursor cursor;
    struct marey_event got;

    marey_encode_chunk(&encoder, 100);
    for (size_t i = 0; i < count; i++)
        marey_encode_event(&encoder, &events[i]);
    marey_cursor_init(&cursor, encoder.bytes, encoder.size_bytes, 100, false);
    for (size_t i = 0; i < count; i++) {
        CHECK(marey_cursor_next(&cursor, &got));
        CHECK_EQ(got.kind, events[i].kind);
        CHECK_EQ(got.ticks, events[i].ticks);
        if (got.kind == MAREY_EVENT_ENTER) {
            CHECK_EQ(got.function, events[i].function);
        } else if (got.kind != MAREY_EVENT_COUNTER && events[i].number != 0) {
            CHECK_EQ(got.number, events[i].number);
        } else if (got.kind == MAREY_EVENT_COUNTER) {
            CHECK(got.value == -0.5);
        }
    }
    CHECK(!marey_cursor_next(&cursor, &got));
    CHECK(!cursor.is_bad);
    marey_encoder_release(&encoder);
}

TEST(truncation_at_every_byte_ends_closed_data_badly_and_open_data_well)
{
    struct marey_encoder encoder = {0};
    struct marey_event enter = {
        .kind = MAREY_EVENT_ENTER, .ticks = 70000, .function = 300};
    struct marey_event yield = {
        .kind = MAREY_EVENT_YIELD, .ticks = 80000, .function = 300, .number = 1};
    uint64_t count, ticks = 0;

    marey_encode_chunk(&encoder, 100);
    marey_encode_event(&encoder, &enter);
    size_t first = encoder.size_bytes;
    marey_encode_event(&encoder, &yield);
    for (size_t size = 0; size <= encoder.size_bytes; size++) {
        bool is_whole = size == 0 || size == first || size == encoder.size_bytes;
        bool is_bind_whole = size == encoder.size_bytes - 2;
        CHECK(decode(encoder.bytes, size, true, &count, &ticks));
        CHECK_EQ(count, (size >= first) + (size == encoder.size_bytes));
        CHECK_EQ(decode(encoder.bytes, size, false, &count, &ticks),
                 is_whole || is_bind_whole);
    }
    marey_encoder_release(&encoder);
}

TEST(a_zero_byte_ends_open_data_and_is_bad_in_closed_data)
{
    static const uint8_t bytes[] = {4 << 2 | 1, 5, 0, 4 << 2 | 2};
    uint64_t count, ticks = 0;

    CHECK(decode(with_room(bytes, 4), 4, true, &count, &ticks));
    CHECK_EQ(count, 1);
    CHECK_EQ(ticks, 104);
    CHECK(!decode(with_room(bytes, 4), 4, false, &count, &ticks));
    CHECK_EQ(count, 1);
}

TEST(a_varint_that_ends_in_a_superfluous_zero_was_torn)
{
    static const uint8_t in_token[] = {0x91, 0x00};
    static const uint8_t in_function[] = {4 << 2 | 1, 0x85, 0x00};
    uint64_t count, ticks;

    for (size_t room = 0; room < 60; room += 50) { /* in the fast and the slow way */
        CHECK(decode(with_room(in_token, 2), 2 + room, true, &count, &ticks));
        CHECK_EQ(count, 0);
        CHECK(decode(with_room(in_function, 3), 3 + room, true, &count, &ticks));
        CHECK_EQ(count, 0);
        CHECK(!decode(with_room(in_token, 2), 2 + room, false, &count, &ticks));
        CHECK(!decode(with_room(in_function, 3), 3 + room, false, &count, &ticks));
    }
}

static void
check_refused(const void *bytes, size_t size)
{
    uint64_t count, ticks;

    CHECK(!decode(with_room(bytes, size), size, false, &count, &ticks));
    CHECK(!decode(with_room(bytes, size), size, true, &count, &ticks));
    CHECK_EQ(count, 0);
}

TEST(what_no_writer_writes_is_refused)
{
    check_refused("\4", 1);                          /* kind 0 */
    check_refused("\1\0", 2);                        /* function 0 */
    check_refused("\1\377\377\377\177", 5);          /* function 2^28 - 1 */
    check_refused("\3\x10", 2);                      /* an unknown op */
    check_refused("\3\x80", 2);                      /* above all ops */
    check_refused("\3\x41", 2);                      /* unbound slot */
    check_refused("\3\5\x20\1\0\0\0\0\0\0\0\0", 12); /* slot 32 */
    check_refused("\3\1\1\0\0\0\0\0\0\0", 10);       /* time goes back */
    check_refused("\3\2\377\377\377\177", 6);        /* a string too high */
    check_refused("\377\377\377\377\377\377\377\377\377\177", 10); /* > 64 bits */
    check_refused("\3\7\1\2\377\377\377\7", 8); /* a call that began before time */
}

TEST(ops_of_later_versions_are_skipped_and_counted)
{
    static const uint8_t bytes[] = {3, 0x25, 2, 9, 9, 1 << 2 | 2};
    struct marey_cursor cursor;
    struct marey_event event;

    marey_cursor_init(&cursor, bytes, sizeof(bytes), 100, false);
    CHECK(marey_cursor_next(&cursor, &event));
    CHECK_EQ(event.kind, MAREY_EVENT_OTHER);
    CHECK_EQ(event.detail, 0x25);
    CHECK_EQ(event.other.size_bytes, 2);
    CHECK(marey_cursor_next(&cursor, &event));
    CHECK_EQ(event.kind, MAREY_EVENT_LEAVE);
    CHECK(!marey_cursor_next(&cursor, &event));
    CHECK(!cursor.is_bad);
}

TEST(a_cursor_that_runs_out_stays_where_the_event_begins)
{
    static const uint8_t bytes[] = {1 << 2 | 2, 3, 0x09, 4, 1, 2, 3};
    struct marey_cursor cursor;
    struct marey_event event;

    marey_cursor_init(&cursor, bytes, sizeof(bytes), 100, false);
    CHECK(marey_cursor_next(&cursor, &event));
    CHECK(!marey_cursor_next(&cursor, &event));
    CHECK(cursor.is_cut_short);
    CHECK_EQ(cursor.next - bytes, 1);
    CHECK_EQ(cursor.ticks, 101);
}

TEST(a_note_is_taken_only_where_it_follows)
{
    struct marey_event enter = {.kind = MAREY_EVENT_ENTER, .ticks = 101, .function = 1};
    struct marey_event values = {
        .kind = MAREY_EVENT_VALUES, .ticks = 101, .detail = 1, .number = 5};
    struct marey_encoder encoder = {0};
    struct marey_cursor cursor;
    struct marey_event event;

    marey_encode_chunk(&encoder, 100);
    marey_encode_event(&encoder, &enter);
    marey_encode_event(&encoder, &values);
    marey_encode_event(&encoder, &enter);
    marey_cursor_init(&cursor, encoder.bytes, encoder.size_bytes, 100, false);
    CHECK(marey_cursor_next(&cursor, &event));
    CHECK(marey_cursor_may_note(&cursor));
    CHECK(!marey_cursor_take_note(&cursor, MAREY_EVENT_THROWN, &event));
    CHECK(marey_cursor_take_note(&cursor, MAREY_EVENT_VALUES, &event));
    CHECK_EQ(event.number, 5);
    CHECK(!marey_cursor_may_note(&cursor));
    CHECK(marey_cursor_next(&cursor, &event));
    CHECK_EQ(event.kind, MAREY_EVENT_ENTER);
    marey_encoder_release(&encoder);
}

TEST(a_snapshot_gives_its_calls_outermost_first)
{
    struct marey_encoder encoder = {0};
    struct marey_snapshot snapshot;
    struct marey_snapshot_entry entry;

    marey_encode_chunk(&encoder, 1000);
    marey_encode_varint(&encoder, 2);
    marey_encode_entry(&encoder, &(struct marey_snapshot_entry){10, 7, false});
    marey_encode_entry(&encoder, &(struct marey_snapshot_entry){1000, 8, true});
    CHECK(marey_snapshot_init(&snapshot, encoder.bytes, encoder.size_bytes, 1000));
    CHECK_EQ(snapshot.left, 2);
    CHECK(marey_snapshot_next(&snapshot, &entry));
    CHECK_EQ(entry.function, 7);
    CHECK_EQ(entry.start_ticks, 10);
    CHECK(!entry.is_resumed);
    CHECK(marey_snapshot_next(&snapshot, &entry));
    CHECK_EQ(entry.function, 8);
    CHECK(entry.is_resumed);
    CHECK(!marey_snapshot_next(&snapshot, &entry));
    for (size_t size = 1; size < encoder.size_bytes; size++)
        CHECK(!marey_snapshot_init(&snapshot, encoder.bytes, size, 1000));
    CHECK(
        !marey_snapshot_init(&snapshot, (const uint8_t *)"\377\377\377\177", 4, 1000));
    CHECK(marey_snapshot_init(&snapshot, encoder.bytes, 0, 1000));
    CHECK_EQ(snapshot.left, 0);
    marey_encoder_release(&encoder);
}
