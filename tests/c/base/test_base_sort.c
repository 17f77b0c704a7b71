/* Sorting, and lines of text. */
#include <string.h>

#include "../export/check.h"
#include "base/bits.h"
#include "base/line.h"
#include "base/sort.h"

struct item {
    uint32_t key;
    uint32_t other;
};

static int
compare_items(const void *a, const void *b)
{
    const struct item *left = a, *right = b;

    return left->key < right->key ? -1 : left->key > right->key;
}

static void
check_sorted(uint32_t (*key_of)(uint32_t))
{
    static struct item items[1000];

    for (size_t count = 0; count <= 1000; count += count < 10 ? 1 : 99) {
        for (uint32_t i = 0; i < count; i++)
            items[i] = (struct item){key_of(i), key_of(i) + 7};
        marey_sort(items, count, sizeof(*items), compare_items);
        for (size_t i = 1; i < count; i++)
            CHECK(items[i - 1].key <= items[i].key);
        for (size_t i = 0; i < count; i++)
            CHECK_EQ(items[i].other, items[i].key + 7);
    }
}

static uint32_t
rising(uint32_t i)
{
    return i;
}

static uint32_t
falling(uint32_t i)
{
    return 2000 - i;
}

static uint32_t
mixed(uint32_t i)
{
    return (uint32_t)marey_mix(i) % 100;
}

TEST(any_order_becomes_sorted)
{
    check_sorted(rising);
    check_sorted(falling);
    check_sorted(mixed);
}

TEST(a_line_takes_what_fits)
{
    struct marey_line line = {0};

    marey_line_put(&line, "chunk ");
    marey_line_put_number(&line, UINT64_MAX);
    CHECK_TEXT(line.text, line.size, "chunk 18446744073709551615");
    for (int i = 0; i < 100; i++)
        marey_line_put(&line, "0123456789");
    CHECK_EQ(strlen(line.text), sizeof(line.text) - 1);
}

TEST(the_high_half_of_a_product_is_exact)
{
    CHECK_EQ(marey_product_high(UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
    CHECK_EQ(marey_product_high(UINT64_C(1) << 63, 2), 1);
    CHECK_EQ(marey_product_high(3, 5), 0);
}
