/* The little that a C test needs. A test's name is a claim; tests register themselves:
 *
 *     TEST(addition_commutes)
 *     {
 *         CHECK_EQ(1 + 2, 2 + 1);
 *     }
 */
#ifndef MAREY_TESTS_EXPORT_CHECK_H
#define MAREY_TESTS_EXPORT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};
void test_register(struct test *test);

void check_true(bool is_true, const char *text, const char *file, int line);
void check_equal(uint64_t got, uint64_t want, const char *file, int line);
void check_text(const char *got, size_t got_size, const char *want, const char *file,
                int line);

#define TEST(claim)                                                                    \
    static void claim(void);                                                           \
    __attribute__((constructor)) static void register_##claim(void)                    \
    {                                                                                  \
        static struct test test = {#claim, claim, NULL};                               \
        test_register(&test);                                                          \
    }                                                                                  \
    static void claim(void)

#define CHECK(condition) check_true(condition, #condition, __FILE__, __LINE__)
#define CHECK_EQ(got, want)                                                            \
    check_equal((uint64_t)(got), (uint64_t)(want), __FILE__, __LINE__)
#define CHECK_TEXT(got, got_size, want)                                                \
    check_text(got, got_size, want, __FILE__, __LINE__)

#endif
