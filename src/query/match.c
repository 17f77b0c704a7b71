/* Shell-style patterns on functions.
 *
 * A pattern with a '/' or a '.py' at its end is for file paths: '*' stays within a
 * folder, '**' does not, and a relative pattern matches at any folder. All others are
 * for names: there '*' matches anything. '?' is one character, [a-z] and [!a-z] sets.
 */
#include "query/trace.h"

/* A name made of up to three pieces, so that nothing has to be put together. */
struct subject {
    struct marey_text pieces[3];
    size_t size;
};

static char
char_at(const struct subject *subject, size_t at)
{
    for (int i = 0; i < 3; i++) {
        if (at < subject->pieces[i].size_bytes)
            return subject->pieces[i].bytes[at];
        at -= subject->pieces[i].size_bytes;
    }
    return '\0';
}

/* Matches one character with the set that begins behind '['. Returns the place behind
 * ']', or 0 where no set ends: then '[' is a plain character. */
static size_t
match_set(struct marey_text pattern, size_t at, char wanted, bool *is_in)
{
    bool is_not = at < pattern.size_bytes &&
                  (pattern.bytes[at] == '!' || pattern.bytes[at] == '^');
    size_t start = at += is_not;
    bool is_found = false;

    for (; at < pattern.size_bytes; at++) {
        char low = pattern.bytes[at], high = low;
        if (low == ']' && at > start) {
            *is_in = is_found != is_not;
            return at + 1;
        }
        if (at + 2 < pattern.size_bytes && pattern.bytes[at + 1] == '-' &&
            pattern.bytes[at + 2] != ']') {
            high = pattern.bytes[at + 2];
            at += 2;
        }
        is_found |= (unsigned char)low <= (unsigned char)wanted &&
                    (unsigned char)wanted <= (unsigned char)high;
    }
    return 0;
}

/* Matches one character. Returns the place in the pattern behind, or 0. */
static size_t
match_one(struct marey_text pattern, size_t at, char wanted, bool is_path)
{
    bool is_in = false;

    if (at >= pattern.size_bytes)
        return 0;
    if (pattern.bytes[at] == '?')
        return is_path && wanted == '/' ? 0 : at + 1;
    if (pattern.bytes[at] == '[') {
        size_t behind = match_set(pattern, at + 1, wanted, &is_in);
        if (behind != 0)
            return is_in ? behind : 0;
    }
    return pattern.bytes[at] == wanted ? at + 1 : 0;
}

/* A star that can take one character more. */
struct star {
    size_t pattern; /* behind it; 0: there is none */
    size_t subject; /* where it ends by now */
};

/* The usual walk with one place to go back to; two, as a '*' of a path cannot go beyond
 * its folder while a '**' before it can. */
static bool
matches(struct marey_text pattern, const struct subject *subject, size_t from,
        bool is_path)
{
    struct star near = {0, 0}, far = {0, 0};
    size_t at = from, in = 0;

    for (;;) {
        if (in < pattern.size_bytes && pattern.bytes[in] == '*') {
            size_t stars = in;
            while (in < pattern.size_bytes && pattern.bytes[in] == '*')
                in++;
            if (is_path && in - stars == 1) {
                near = (struct star){in, at};
                continue;
            }
            far = (struct star){in, at};
            /* "**" and its slash may also stand for no folder at all. */
            if (is_path && in < pattern.size_bytes && pattern.bytes[in] == '/' &&
                (at == from || char_at(subject, at - 1) == '/'))
                in++;
            near.pattern = 0;
            continue;
        }
        if (at == subject->size && in == pattern.size_bytes)
            return true;
        if (at < subject->size) {
            size_t behind = match_one(pattern, in, char_at(subject, at), is_path);
            if (behind != 0) {
                in = behind;
                at++;
                continue;
            }
        }
        if (near.pattern != 0 && near.subject < subject->size &&
            char_at(subject, near.subject) != '/') {
            at = ++near.subject;
            in = near.pattern;
        } else if (far.pattern != 0 && far.subject < subject->size) {
            at = ++far.subject;
            in = far.pattern;
            near.pattern = 0;
        } else {
            return false;
        }
    }
}

static bool
is_for_paths(struct marey_text pattern)
{
    for (size_t i = 0; i < pattern.size_bytes; i++) {
        if (pattern.bytes[i] == '/')
            return true;
    }
    return pattern.size_bytes > 3 &&
           memcmp(pattern.bytes + pattern.size_bytes - 3, ".py", 3) == 0;
}

static bool
matches_path(struct marey_text pattern, struct marey_text path)
{
    struct subject subject = {{path}, path.size_bytes};

    if (path.size_bytes == 0)
        return false;
    if (matches(pattern, &subject, 0, true))
        return true;
    for (size_t i = 0; pattern.bytes[0] != '/' && i + 1 < path.size_bytes; i++) {
        if (path.bytes[i] == '/' && matches(pattern, &subject, i + 1, true))
            return true;
    }
    return false;
}

bool
marey_function_matches(const struct marey_trace *trace, uint32_t function,
                       struct marey_text pattern)
{
    const struct function *asked = trace_function(trace, function);
    struct marey_text name = marey_trace_text(trace, asked->name);
    struct marey_text module = marey_trace_text(trace, asked->module);

    if (pattern.size_bytes == 0)
        return false;
    if (is_for_paths(pattern))
        return matches_path(pattern, marey_trace_text(trace, asked->file));
    struct subject subject = {{module}, module.size_bytes};
    if (matches(pattern, &subject, 0, false))
        return true;
    if (module.size_bytes > 0) {
        subject.pieces[1] = (struct marey_text){":", 1};
        subject.size++;
    }
    subject.pieces[2] = name;
    subject.size += name.size_bytes;
    if (matches(pattern, &subject, 0, false))
        return true;
    subject.pieces[1].bytes = ".";
    return module.size_bytes > 0 && matches(pattern, &subject, 0, false);
}

bool
marey_text_matches(struct marey_text text, struct marey_text pattern)
{
    struct subject subject = {{text}, text.size_bytes};

    return matches(pattern, &subject, 0, false);
}
