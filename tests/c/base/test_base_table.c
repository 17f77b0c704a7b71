/* Tables of numbers and of bytes. */
#include "../export/check.h"
#include "base/memory.h"
#include "base/table.h"

TEST(a_table_gives_back_what_was_put)
{
    struct marey_table table = {0};

    CHECK_EQ(marey_table_get(&table, 7), MAREY_TABLE_NONE);
    for (uint32_t i = 0; i < 10000; i++)
        CHECK(marey_table_put(&table, (uint64_t)i << 32, i));
    CHECK(marey_table_put(&table, 0, 99));
    CHECK_EQ(table.count, 10000);
    CHECK_EQ(marey_table_get(&table, 0), 99);
    for (uint32_t i = 1; i < 10000; i++)
        CHECK_EQ(marey_table_get(&table, (uint64_t)i << 32), i);
    CHECK_EQ(marey_table_get(&table, 1), MAREY_TABLE_NONE);
    marey_table_release(&table);
}

TEST(what_is_taken_is_gone_and_nothing_else)
{
    struct marey_table table = {0};

    for (uint32_t i = 0; i < 3000; i++)
        marey_table_put(&table, i * 17, i);
    for (uint32_t i = 0; i < 3000; i += 3)
        CHECK_EQ(marey_table_take(&table, i * 17), i);
    for (uint32_t i = 0; i < 3000; i++)
        CHECK_EQ(marey_table_get(&table, i * 17), i % 3 == 0 ? MAREY_TABLE_NONE : i);
    CHECK_EQ(marey_table_take(&table, 0), MAREY_TABLE_NONE);
    CHECK_EQ(table.count, 2000);
    marey_table_release(&table);
    CHECK_EQ(marey_table_take(&table, 17), MAREY_TABLE_NONE);
}

TEST(equal_bytes_get_one_index_and_are_kept)
{
    struct marey_intern intern = {0};
    char text[8] = "a";
    uint32_t first = 1, again = 2, empty = 3, index;

    CHECK(marey_intern_put(&intern, text, 1, &first));
    text[0] = 'b';
    CHECK(marey_intern_put(&intern, "a", 1, &again));
    CHECK(marey_intern_put(&intern, "", 0, &empty));
    CHECK_EQ(first, 0);
    CHECK_EQ(again, 0);
    CHECK_EQ(empty, 1);
    for (uint32_t i = 0; i < 20000; i++) {
        CHECK(marey_intern_put(&intern, &i, sizeof(i), &index));
        CHECK_EQ(index, i + 2);
    }
    CHECK_EQ(marey_intern_get(&intern, "a", 1), 0);
    CHECK_EQ(marey_intern_get(&intern, "z", 1), MAREY_TABLE_NONE);
    CHECK_TEXT((const char *)intern.items[0].bytes, intern.items[0].size_bytes, "a");
    marey_intern_release(&intern);
}

TEST(large_bytes_get_a_block_of_their_own)
{
    struct marey_intern intern = {0};
    uint8_t *large = marey_memory_new(300000, 1);
    uint32_t index;

    large[299999] = 1;
    CHECK(marey_intern_put(&intern, large, 300000, &index));
    CHECK(marey_intern_put(&intern, "x", 1, &index));
    CHECK_EQ(index, 1);
    CHECK_EQ(intern.items[0].bytes[299999], 1);
    marey_memory_free(large);
    marey_intern_release(&intern);
}

TEST(growing_checks_for_overflow)
{
    uint64_t *items = NULL;
    size_t capacity = 0;

    CHECK(!marey_memory_grow((void **)&items, &capacity, SIZE_MAX / 4, sizeof(*items)));
    CHECK(items == NULL && capacity == 0);
    CHECK(marey_memory_grow((void **)&items, &capacity, 0, sizeof(*items)));
    CHECK(items != NULL);
    CHECK(marey_memory_grow((void **)&items, &capacity, 1000, sizeof(*items)));
    CHECK(capacity >= 1000);
    marey_memory_free(items);
}
