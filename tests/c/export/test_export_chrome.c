/* Chrome JSON of the scenario, claim by claim. tests/python/test_export.py parses what
 * real traces give; here the exact lines stand.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scenario.h"

/* Whether the export of the scenario has this text, with ' for ". */
static bool
has(const char *text)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_trace trace;
    size_t size = strlen(text);
    char *wanted = malloc(size + 1);
    bool is_there = false;

    if (wanted == NULL)
        return false;
    for (size_t i = 0; i <= size; i++)
        wanted[i] = text[i] == '\'' ? '"' : text[i];
    scenario_init(&trace);
    CHECK_EQ(fake_export(&trace, "chrome", &output), MAREY_OK);
    for (size_t i = 0; i + size <= output.size && !is_there; i++)
        is_there = memcmp(output.bytes + i, wanted, size) == 0;
    free(wanted);
    fake_output_release(&output);
    return is_there;
}

#define MAIN "'pid':100,'tid':100,"
#define WORKER "'pid':100,'tid':101,"
#define TASK "'pid':100,'tid':10000000,"
#define SECOND "'pid':5000000,'tid':5000000,"

TEST(processes_and_lanes_have_names_before_their_first_event)
{
    CHECK(has("[\n{'ph':'M'," MAIN
              "'ts':0.000,'name':'process_name','args':{'name':'app.py'}},\n"));
    CHECK(has("{'ph':'M'," MAIN "'ts':0.000,'name':'process_labels',"
              "'args':{'labels':'Python 3.13.1'}},\n"));
    CHECK(has("{'ph':'M'," MAIN
              "'ts':0.000,'name':'thread_name','args':{'name':'MainThread'}},\n"
              "{'ph':'M'," MAIN "'ts':0.000,'name':'thread_sort_index',"
              "'args':{'sort_index':0}},\n"
              "{'ph':'B',"));
    CHECK(has("'name':'thread_name','args':{'name':'worker \\'1\\'\\n'}},\n"));
}

TEST(numbers_used_twice_or_unknown_are_made_up)
{
    CHECK(has("{'ph':'M'," SECOND "'ts':0.000,'name':'process_name',"
              "'args':{'name':'app.py','real_pid':100}},\n"));
    CHECK(has("{'ph':'M'," SECOND "'ts':0.000,'name':'thread_name',"
              "'args':{'name':'MainThread','real_tid':100}},\n"));
    CHECK(has("{'ph':'M'," TASK
              "'ts':0.000,'name':'thread_name','args':{'name':'Task-1'}},\n"));
}

TEST(calls_on_one_tick_nest_as_they_stand)
{
    CHECK(has("{'ph':'B'," MAIN "'ts':2.000,'name':'load','cat':'span'},\n"
              "{'ph':'B'," MAIN "'ts':2.000,'name':'len','cat':'c',"
              "'args':{'module':'builtins'}},\n"
              "{'ph':'E'," MAIN "'ts':2.000,'name':'len'},\n"
              "{'ph':'E'," MAIN "'ts':2.000,'name':'load'},\n"));
}

TEST(arguments_and_results_are_values)
{
    CHECK(has("{'ph':'B'," MAIN "'ts':1.000,'name':'len','cat':'c','args':{"
              "'module':'builtins','call_line':4,'arguments':{"
              "'n':-7,'big':'9223372036854775807','x':0.1,'s':'a\\'b',"));
    CHECK(
        has("'o':'[1, 2]','none':null,'yes':true,'key':'<redacted>','9':false}}},\n"));
    CHECK(has("{'ph':'E'," MAIN "'ts':1.001,'name':'len','args':{'returned':3}},\n"));
}

TEST(parts_of_a_generator_share_an_activation)
{
    CHECK(has("{'ph':'E'," MAIN "'ts':3.100,'name':'numbers','args':{"
              "'suspended':true,'activation':'0x7f0012345678'}},\n"));
    CHECK(has("{'ph':'B'," WORKER "'ts':3.400,'name':'numbers','cat':'generator',"
              "'args':{'file':'/src/app.py:9','resumed':true,"
              "'activation':'0x7f0012345678','thrown':'ValueError'}},\n"
              "{'ph':'E'," WORKER "'ts':3.500,'name':'numbers','args':{"
              "'raised':'ValueError'}},\n"));
}

TEST(an_arrow_is_a_pair_that_binds_to_the_open_call)
{
    CHECK(
        has("{'ph':'s'," MAIN "'ts':3.200,'name':'flow','cat':'flow','id':'0x4d'},\n"));
    CHECK(has("{'ph':'f'," WORKER
              "'ts':3.300,'bp':'e','name':'flow','cat':'flow','id':'0x4d'},\n"));
}

TEST(names_of_any_bytes_are_valid)
{
    CHECK(has("'ts':3.250,'name':'a\\u0000b\\'\\\\\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD"
              "\xF0\x9F\x99\x82','cat':'python','args':{'file':'x\\ty.py:12'}},\n"));
    CHECK(has("'args':{'raised':'<unknown>'}},\n"));
}

TEST(points_counters_and_logs_have_their_own_events)
{
    CHECK(has("{'ph':'i'," TASK "'ts':4.000,'s':'t','name':'tick','cat':'instant',"
              "'args':{'values':{'0':3}}},\n"));
    CHECK(has("{'ph':'C'," TASK "'ts':4.100,'name':'queue','args':{'value':2.5}},\n"));
    CHECK(has("{'ph':'C'," MAIN "'ts':4.200,'name':'queue','args':{'value':3.0}},\n"));
    CHECK(has("{'ph':'i'," TASK "'ts':4.300,'s':'t','name':'total','cat':'log',"
              "'args':{'log_class':'attribute','values':{'0':3}}},\n"));
}

TEST(a_loss_is_told_and_its_calls_are_closed)
{
    CHECK(has("{'ph':'i'," SECOND
              "'ts':5.500,'s':'t','name':'12 events lost','cat':'loss'},\n"
              "{'ph':'E'," SECOND "'ts':5.500,'name':'a"));
    CHECK(has("','args':{'end_not_seen':true}},\n"));
}

TEST(open_calls_have_no_end)
{
    CHECK(!has("{'ph':'E'," SECOND "'ts':6.000"));
    CHECK(has("'ts':0.000,'name':'main','cat':'python','args':{"
              "'file':'/src/app.py:3','began_ns':-250}},\n"));
    CHECK(has("'ts':4.250,'name':'main','cat':'python','args':{"
              "'file':'/src/app.py:3'}},\n"));
    CHECK(has("{'ph':'E'," MAIN "'ts':1234567890.123,'name':'main'}\n]\n"));
}

TEST(an_empty_trace_is_an_empty_list)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_trace trace = {.step_count = 0};

    CHECK_EQ(fake_export(&trace, "chrome", &output), MAREY_OK);
    CHECK_TEXT(output.bytes, output.size, "[\n]\n");
    fake_output_release(&output);
}
