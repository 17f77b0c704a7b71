/* Logged values: what their classes are called, and which values a search finds. */
#include <string.h>

#include "base/number.h"
#include "query/answer/value_text.h"

const char *
marey_log_class_name(uint8_t log_class)
{
    static const char *const names[] = {
        [MAREY_CLASS_VALUE] = "value",
        [MAREY_CLASS_ATTRIBUTE] = "attribute",
        [MAREY_CLASS_RAISED] = "raised",
        [MAREY_CLASS_HANDLED] = "handled",
        [MAREY_CLASS_SWALLOWED] = "swallowed",
        [MAREY_CLASS_PRINT] = "print",
        [MAREY_CLASS_RECORD] = "log",
        [MAREY_CLASS_WARNING] = "warning",
        [MAREY_CLASS_GC] = "gc",
        [MAREY_CLASS_AUDIT] = "audit",
        [MAREY_CLASS_ENTRY] = "entry",
        [MAREY_CLASS_LINE] = "line",
    };

    if (log_class >= sizeof(names) / sizeof(names[0]) || names[log_class] == NULL)
        return "other";
    return names[log_class];
}

/* ---- searching ---- */

struct wanted {
    struct marey_text name;    /* bytes NULL: any */
    struct marey_text pattern; /* of the value */
    struct marey_text own;     /* name of values that have none */
    bool is_found;
};

/* Splits NAME=PATTERN where what stands before '=' can be a name. */
static struct wanted
parse(struct marey_text pattern)
{
    struct wanted wanted = {.pattern = pattern};

    for (size_t i = 0; i < pattern.size_bytes; i++) {
        char c = pattern.bytes[i];
        bool is_word = c == '_' || c == '.' || c == '*' || c == '?' || (c & 0x80) ||
                       (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                       (c >= 'A' && c <= 'Z');
        if (c == '=' && i > 0) {
            wanted.name = (struct marey_text){pattern.bytes, i};
            wanted.pattern =
                (struct marey_text){pattern.bytes + i + 1, pattern.size_bytes - i - 1};
        }
        if (!is_word)
            break;
    }
    return wanted;
}

/* "3.0" is found by 3, too. */
static bool
matches_number(double number, struct marey_text pattern)
{
    uint8_t digits[MAREY_DOUBLE_SIZE_MAX];
    struct marey_text text = value_text_number(digits, number);

    if (marey_text_matches(text, pattern))
        return true;
    if (text.size_bytes < 3 || memcmp(text.bytes + text.size_bytes - 2, ".0", 2) != 0)
        return false;
    text.size_bytes -= 2;
    return marey_text_matches(text, pattern);
}

static bool
matches_value(const struct marey_value *value, struct marey_text pattern)
{
    uint8_t digits[MAREY_NUMBER_SIZE_MAX];
    struct marey_text word = value_text_word(value->tag);
    struct marey_text text = word.bytes != NULL ? word : value->text;

    if (value->tag == MAREY_VALUE_FLOAT)
        return matches_number(value->number, pattern);
    if (value->tag == MAREY_VALUE_INT) {
        text.bytes = (const char *)digits;
        text.size_bytes =
            (size_t)(marey_number_signed(digits, value->integer) - digits);
    }
    return marey_text_matches(text, pattern);
}

static void
look_at(void *context, const struct marey_value *value)
{
    struct wanted *wanted = context;
    struct marey_text name = value->name.size_bytes != 0 ? value->name : wanted->own;

    if (wanted->is_found)
        return;
    if (wanted->name.bytes == NULL || marey_text_matches(name, wanted->name))
        wanted->is_found = matches_value(value, wanted->pattern);
}

static enum marey_status
look_into(struct marey_trace *trace, uint32_t lane, uint64_t blob,
          struct marey_text own, struct wanted *wanted, struct marey_error *err)
{
    if (blob == 0 || wanted->is_found)
        return MAREY_OK;
    wanted->own = own;
    return marey_trace_values(trace, lane, blob, look_at, wanted, err);
}

enum marey_status
marey_step_has_value(struct marey_trace *trace, const struct marey_step *step,
                     struct marey_text pattern, bool *out, struct marey_error *err)
{
    struct wanted wanted = parse(pattern);
    struct marey_text name = marey_trace_string(trace, step->string);
    enum marey_status st = MAREY_OK;

    switch (step->kind) {
    case MAREY_STEP_COUNTER:
        if (wanted.name.bytes == NULL)
            wanted.is_found = marey_text_matches(name, pattern);
        if (wanted.name.bytes == NULL || marey_text_matches(name, wanted.name))
            wanted.is_found |= matches_number(step->value, wanted.pattern);
        break;
    case MAREY_STEP_INSTANT:
    case MAREY_STEP_LOG:
        if (wanted.name.bytes == NULL)
            wanted.is_found = marey_text_matches(name, pattern);
        st = look_into(trace, step->lane, step->blob, name, &wanted, err);
        break;
    case MAREY_STEP_BEGIN:
    case MAREY_STEP_END:
    case MAREY_STEP_SUSPEND:
        st = look_into(trace, step->lane, step->blob, (struct marey_text){"", 0},
                       &wanted, err);
        if (st == MAREY_OK)
            st = look_into(trace, step->lane, step->result_blob,
                           (struct marey_text){"return", strlen("return")}, &wanted,
                           err);
        break;
    default: break;
    }
    if (st == MAREY_OK)
        *out = wanted.is_found;
    return st;
}
