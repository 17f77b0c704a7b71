/* Patterns on functions. */
#include <string.h>

#include "../export/check.h"
#include "told.h"

static struct builder *builder;
static struct marey_trace *trace;

static void
open_trace(void)
{
    struct marey_encoder file = {0};

    builder = builder_new();
    builder_process(builder, 1, 0);
    builder_string(builder, 1, 1, "app.db");
    marey_encode_varint(&file, 1);
    marey_encode_u64(&file, 0);
    marey_encode_bytes(&file, "/srv/me/src/app/db.py", 21);
    builder_record(builder, 1, MAREY_DEF_FILE, file.bytes, file.size_bytes);
    marey_encoder_release(&file);
    builder_function_of(builder, 1, 1, "Session.query", 1, 1, 10, 0);
    builder_function_of(builder, 1, 2, "list.append", 0, 0, 0, MAREY_FUNCTION_C);
    trace = told_open(builder);
}

static bool
matches(uint32_t function, const char *pattern)
{
    struct marey_text text = {pattern, strlen(pattern)};

    return marey_function_matches(trace, function, text);
}

TEST(names_match_by_module_and_name)
{
    open_trace();
    CHECK(matches(0, "app.db"));
    CHECK(matches(0, "app.db:Session.query"));
    CHECK(matches(0, "app.db.Session.query"));
    CHECK(matches(0, "app.db:Session.*"));
    CHECK(matches(0, "app.*"));
    CHECK(matches(0, "*query"));
    CHECK(matches(0, "*"));
    CHECK(matches(0, "app.d[a-c]*"));
    CHECK(matches(0, "app.?b:*"));
    CHECK(!matches(0, "app"));
    CHECK(!matches(0, "app.db:Session"));
    CHECK(!matches(0, "app.d[!a-c]*"));
    CHECK(!matches(0, ""));
    CHECK(matches(1, "list.append"));
    CHECK(matches(1, "list.*"));
    CHECK(!matches(1, "app.*"));
    told_close(trace, builder);
}

TEST(paths_match_by_folder)
{
    open_trace();
    CHECK(matches(0, "db.py"));
    CHECK(matches(0, "*.py"));
    CHECK(matches(0, "src/**"));
    CHECK(matches(0, "src/**/db.py"));
    CHECK(matches(0, "src/app/**/db.py"));
    CHECK(matches(0, "src/*/db.py"));
    CHECK(matches(0, "/srv/**"));
    CHECK(matches(0, "**/app/*"));
    CHECK(!matches(0, "src/*.py"));
    CHECK(!matches(0, "/src/**"));
    CHECK(!matches(0, "b.py"));
    CHECK(!matches(0, "src/**/b.py"));
    CHECK(!matches(1, "**/*"));
    told_close(trace, builder);
}

TEST(a_pattern_made_to_hurt_does_not_take_long)
{
    static char name[20001], pattern[2001];

    memset(name, 'a', sizeof(name) - 1);
    for (size_t i = 0; i + 1 < sizeof(pattern); i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[sizeof(pattern) - 2] = 'b';
    builder = builder_new();
    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, name);
    trace = told_open(builder);
    CHECK(!matches(0, pattern));
    told_close(trace, builder);
}
