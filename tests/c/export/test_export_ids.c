/* Numbers for processes and lanes: real where they can be, unique always. */
#include <stdlib.h>

#include "check.h"
#include "export/ids.h"
#include "fake_query.h"

#define THREAD(where, number)                                                          \
    {                                                                                  \
        .kind = MAREY_KIND_THREAD, .process = where, .native_id = number               \
    }
#define MAIN(where, number)                                                            \
    {                                                                                  \
        .kind = MAREY_KIND_THREAD, .process = where, .native_id = number,              \
        .is_main = true                                                                \
    }

TEST(real_numbers_are_kept_and_doubles_made_up)
{
    static const struct marey_process_info processes[] = {
        {.pid = 10}, {.pid = 20}, {.pid = 10}, {.pid = -1}, {.pid = INT64_MAX}};
    static const struct marey_lane_info lanes[] = {
        MAIN(0, 10),
        THREAD(0, 11),
        THREAD(0, 11),
        MAIN(1, 20),
        MAIN(2, 10),
        {.kind = MAREY_KIND_TASK, .native_id = 10},
        THREAD(0, UINT64_MAX),
        THREAD(MAREY_NO_INDEX, 0),
        MAIN(MAREY_NO_INDEX, 30),
    };
    static const uint32_t pids[] = {10, 20, 5000000, 5000001, 5000002};
    static const uint32_t tids[] = {10,       11,       10000000, 20, 5000000,
                                    10000001, 10000002, 10000003, 30};
    struct marey_trace trace = {
        .processes = processes, .lanes = lanes, .process_count = 5, .lane_count = 9};
    struct marey_ids ids;

    CHECK_EQ(marey_ids_init(&ids, &trace), MAREY_OK);
    for (uint32_t i = 0; i < trace.process_count; i++)
        CHECK_EQ(ids.pids[i], pids[i]);
    for (uint32_t i = 0; i < trace.lane_count; i++)
        CHECK_EQ(ids.tids[i], tids[i]);
    marey_ids_release(&ids);
}

TEST(hashes_differ_by_value_order_and_length)
{
    CHECK(marey_hash_number(1, 2) != marey_hash_number(2, 1));
    CHECK(marey_hash_number(1, 0) != marey_hash_number(1, 1));
    CHECK(marey_hash_text(1, TEXT("ab")) != marey_hash_text(1, TEXT("ba")));
    CHECK(marey_hash_text(1, TEXT("")) != marey_hash_text(1, TEXT("\0")));
}
