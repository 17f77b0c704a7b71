/* Runs every test that registered itself. */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct test *tests;
static unsigned failure_count;

void
test_register(struct test *test)
{
    test->next = tests;
    tests = test;
}

void
check_true(bool is_true, const char *text, const char *file, int line)
{
    if (is_true)
        return;
    failure_count++;
    printf("%s:%d: not so: %s\n", file, line, text);
}

void
check_equal(uint64_t got, uint64_t want, const char *file, int line)
{
    if (got == want)
        return;
    failure_count++;
    printf("%s:%d: got %" PRIu64 ", want %" PRIu64 "\n", file, line, got, want);
}

void
check_text(const char *got, size_t got_size, const char *want, const char *file,
           int line)
{
    if (got_size == strlen(want) && memcmp(got, want, got_size) == 0)
        return;
    failure_count++;
    printf("%s:%d: got\n%.*s\nwant\n%s\n", file, line, (int)got_size, got, want);
}

int
main(void)
{
    unsigned count = 0;

    for (struct test *test = tests; test != NULL; test = test->next) {
        unsigned before = failure_count;
        test->run();
        count++;
        if (failure_count != before)
            printf("FAILED %s\n", test->name);
    }
    printf("%u tests, %u failures\n", count, failure_count);
    return failure_count != 0;
}
