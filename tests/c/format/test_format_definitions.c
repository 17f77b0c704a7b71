/* Records, definitions, sources. */
#include "../export/check.h"
#include "base/memory.h"
#include "marey/format_encode.h"
#include "marey/format_put.h"

static bool
get(uint8_t tag, const void *body, size_t size, struct marey_definition *out)
{
    struct marey_record record = {body, size, tag};

    return marey_definition_get(&record, out);
}

TEST(records_follow_each_other)
{
    static const uint8_t bytes[] = {3, 1, 5, 'x', 1, 12, 2, 9, 1};
    struct marey_records records;
    struct marey_record record;

    marey_records_init(&records, bytes, sizeof(bytes), false);
    CHECK(marey_records_next(&records, &record));
    CHECK_EQ(record.tag, MAREY_DEF_STRING);
    CHECK_EQ(record.size_bytes, 2);
    CHECK(marey_records_next(&records, &record));
    CHECK_EQ(record.tag, MAREY_DEF_NOTE);
    CHECK_EQ(record.size_bytes, 0);
    CHECK(marey_records_next(&records, &record));
    CHECK(!marey_records_next(&records, &record));
    CHECK(!records.is_bad);
}

TEST(open_records_end_at_a_zero_or_a_torn_record)
{
    static const uint8_t bytes[] = {3, 1, 5, 'x', 0, 0, 0, 0};
    static const uint8_t torn[] = {3, 1, 5, 'x', 9, 1, 6};
    struct marey_records records;
    struct marey_record record;

    marey_records_init(&records, bytes, sizeof(bytes), true);
    CHECK(marey_records_next(&records, &record));
    CHECK(!marey_records_next(&records, &record));
    CHECK(!records.is_bad);
    CHECK_EQ(records.next - bytes, 4);
    marey_records_init(&records, torn, sizeof(torn), true);
    CHECK(marey_records_next(&records, &record));
    CHECK(!marey_records_next(&records, &record));
    CHECK(!records.is_bad);
    marey_records_init(&records, torn, sizeof(torn), false);
    CHECK(marey_records_next(&records, &record));
    CHECK(!marey_records_next(&records, &record));
    CHECK(records.is_bad);
}

TEST(a_function_has_all_its_fields)
{
    struct marey_definition def;

    CHECK(get(MAREY_DEF_FUNCTION, "\7\2\x90\1\3\4f.g", 9, &def));
    CHECK_EQ(def.id, 7);
    CHECK_EQ(def.flags, MAREY_FUNCTION_GENERATOR);
    CHECK_EQ(def.line, 144);
    CHECK_EQ(def.module, 3);
    CHECK_EQ(def.file, 4);
    CHECK_TEXT((const char *)def.text.bytes, def.text.size_bytes, "f.g");
}

TEST(ids_and_sizes_meet_their_limits)
{
    struct marey_definition def;

    CHECK(!get(MAREY_DEF_STRING, "\0a", 2, &def));
    CHECK(!get(MAREY_DEF_STRING, "\377\377\377\177", 4, &def));
    CHECK(!get(MAREY_DEF_LANE_NAME, "\0", 1, &def));
    CHECK(!get(MAREY_DEF_FILE, "\1\0\0\0", 4, &def));
    CHECK(!get(MAREY_DEF_FUNCTION, "\7\2", 2, &def));
    CHECK(!get(MAREY_DEF_HOST, "123456789012345", 15, &def));
    CHECK(get(MAREY_DEF_HOST, "1234567890123456h", 17, &def));
    uint8_t *large = marey_memory_new(MAREY_NAME_SIZE_MAX + 2, 1);
    memset(large, 1, MAREY_NAME_SIZE_MAX + 2);
    CHECK(get(MAREY_DEF_STRING, large, MAREY_NAME_SIZE_MAX + 1, &def));
    CHECK(!get(MAREY_DEF_STRING, large, MAREY_NAME_SIZE_MAX + 2, &def));
    marey_memory_free(large);
}

TEST(a_process_counts_its_arguments)
{
    static const char body[] = "\144\1\0"
                               "\1\0\0\0\0\0\0\0"
                               "\0\0\0"
                               "\2\1a\0"
                               "\1e\1v\1d\1p";
    struct marey_definition def;

    CHECK(get(MAREY_DEF_PROCESS, body, sizeof(body) - 1, &def));
    CHECK_EQ(def.pid, 100);
    CHECK_EQ(def.argument_count, 2);
    CHECK_EQ(def.arguments.size_bytes, 3);
    CHECK_TEXT((const char *)def.text.bytes, def.text.size_bytes, "p");
    for (size_t size = 0; size < sizeof(body) - 1; size++)
        CHECK(!get(MAREY_DEF_PROCESS, body, size, &def));
}

TEST(unknown_tags_and_further_fields_are_let_pass)
{
    struct marey_definition def;

    CHECK(get(99, "abc", 3, &def));
    CHECK(get(MAREY_DEF_LANE_END, "\1\0\0\0\0\0\0\0\0later", 14, &def));
    CHECK_EQ(def.id, 1);
}

TEST(a_source_comes_out_as_it_went_in)
{
    static const char text[] =
        "def work():\n    return 1\n# ............................";
    uint8_t packed[256], out[sizeof(text)];
    struct marey_encoder payload = {0};
    struct marey_source_head head;

    size_t size = marey_compress(packed, sizeof(packed), text, sizeof(text));
    CHECK(size > 0);
    marey_encode_u64(&payload, 42);
    marey_encode_bytes(&payload, "\4a.py", 5);
    marey_encode_bytes(&payload, packed, size);
    CHECK(marey_source_get(payload.bytes, payload.size_bytes, &head));
    CHECK_EQ(head.key, 42);
    CHECK_EQ(head.path.size_bytes, 4);
    CHECK(marey_expand(out, sizeof(out), head.stored.bytes, head.stored.size_bytes));
    CHECK(memcmp(out, text, sizeof(text)) == 0);
    CHECK(
        !marey_expand(out, sizeof(out) - 1, head.stored.bytes, head.stored.size_bytes));
    CHECK(
        !marey_expand(out, sizeof(out), head.stored.bytes, head.stored.size_bytes - 1));
    CHECK(!marey_source_get(payload.bytes, 7, &head));
    marey_encoder_release(&payload);
}
