/* `# marey: …` comments in the text of a Python file, and the statements they stand at.
 *
 * The text is read as far as it takes to tell comments from strings, and where logical
 * lines begin and end: quotes, brackets, backslashes (Python Language Reference, 2).
 * An f-string is taken for a plain one; where quotes nest in it, what is misread ends
 * with its line.
 *
 * Knows no objects of Python. */
#include "logs/magic.h"

#include <stdlib.h>
#include <string.h>

#define TAB_SIZE 8

/* A statement, or what stands on one logical line: 0, 0 where there is none. */
struct lines {
    int first, last;
    int indent;
};

struct scanner {
    const char *at, *end;
    int line;
    int depth;         /* open brackets */
    bool is_continued; /* a backslash ended the line before */
    struct lines now, before;
    struct magic *list; /* those found, in order */
    size_t count, capacity;
    size_t alone; /* the first that waits for the next logical line; count: none */
    size_t open;  /* the first that stands in the logical line now */
};

static void
add(struct scanner *s, const char *text, const char *end, int indent)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity == 0 ? 16 : s->capacity * 2;
        struct magic *more = realloc(s->list, capacity * sizeof(*more));
        if (more == NULL)
            return;
        s->list = more;
        s->capacity = capacity;
    }
    s->list[s->count++] = (struct magic){.line = s->line,
                                         .first = s->now.first,
                                         .last = s->now.first,
                                         .indent = indent,
                                         .text = text,
                                         .size = (size_t)(end - text)};
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\r';
}

/* At a '#'; ends at the end of the line. */
static void
skip_comment(struct scanner *s, int indent)
{
    static const char word[] = "marey:";
    const char *text = s->at + 1;
    const char *end = memchr(text, '\n', (size_t)(s->end - text));

    s->at = end == NULL ? s->end : end;
    end = s->at;
    while (text < end && is_blank(*text))
        text++;
    while (end > text && is_blank(end[-1]))
        end--;
    if ((size_t)(end - text) >= sizeof(word) - 1 &&
        memcmp(text, word, sizeof(word) - 1) == 0)
        add(s, text + sizeof(word) - 1, end, indent);
}

/* At a quote; ends behind the string. */
static void
skip_string(struct scanner *s)
{
    char quote = *s->at;
    bool is_long = s->end - s->at >= 3 && s->at[1] == quote && s->at[2] == quote;

    s->at += is_long ? 3 : 1;
    for (; s->at < s->end; s->at++) {
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
        else if (*s->at == '\n' && !is_long)
            return; /* it never ends: this was none */
        else if (*s->at == quote &&
                 (!is_long ||
                  (s->end - s->at >= 3 && s->at[1] == quote && s->at[2] == quote))) {
            s->at += is_long ? 3 : 1;
            return;
        }
        if (*s->at == '\n')
            s->line++;
    }
}

/* Comments on lines of their own stand before the next statement; but those of a block
 * that ends here, behind its last one, if that is not in a deeper block. */
static void
settle_alone(struct scanner *s, const struct lines *next)
{
    for (; s->alone < s->count; s->alone++) {
        struct magic *one = &s->list[s->alone];
        if (one->first != 0)
            continue;
        one->is_before = next->first != 0 && next->indent >= one->indent;
        if (one->is_before) {
            one->first = one->last = next->first;
        } else if (s->before.indent == one->indent) {
            one->first = s->before.first;
            one->last = s->before.last;
        }
    }
}

static void
begin_statement(struct scanner *s, int indent)
{
    s->now = (struct lines){s->line, s->line, indent};
    settle_alone(s, &s->now);
    s->open = s->count;
}

static void
end_statement(struct scanner *s)
{
    s->now.last = s->line;
    for (; s->open < s->count; s->open++)
        s->list[s->open].last = s->line;
    s->alone = s->count;
    s->before = s->now;
    s->now = (struct lines){0, 0, 0};
}

static void
end_line(struct scanner *s)
{
    if (s->now.first != 0 && s->depth == 0 && !s->is_continued)
        end_statement(s);
    s->line++;
    s->at++;
}

static int
skip_indent(struct scanner *s)
{
    int indent = 0;

    for (; s->at < s->end && is_blank(*s->at); s->at++)
        indent = *s->at == '\t' ? (indent / TAB_SIZE + 1) * TAB_SIZE : indent + 1;
    return indent;
}

static void
scan_line(struct scanner *s)
{
    int indent = skip_indent(s);

    s->is_continued = false;
    while (s->at < s->end && *s->at != '\n') {
        char c = *s->at;
        if (c == '#') {
            skip_comment(s, indent);
            continue;
        }
        if (is_blank(c)) {
            s->at++;
            continue;
        }
        s->is_continued = c == '\\';
        if (s->now.first == 0)
            begin_statement(s, indent);
        if (c == '"' || c == '\'') {
            skip_string(s);
            continue;
        }
        s->depth += c == '(' || c == '[' || c == '{';
        s->depth -= s->depth > 0 && (c == ')' || c == ']' || c == '}');
        s->at++;
    }
    if (s->at < s->end)
        end_line(s);
}

size_t
magic_find(const char *text, size_t size, struct magic **out)
{
    struct scanner s = {.at = text, .end = text + size, .line = 1};

    while (s.at < s.end)
        scan_line(&s);
    if (s.now.first != 0)
        end_statement(&s);
    settle_alone(&s, &(struct lines){0, 0, 0});
    *out = s.list;
    return s.count;
}
