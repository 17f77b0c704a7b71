/* Texts that people wrote, such as log messages: what follows a word that tells of a
 * secret is left out.
 *
 *     password=abc          "token": "abc"          Authorization: Bearer abc
 *     login with password abc1                      postgres://ann:abc@host/
 *
 * Behind a : or = whatever follows is taken for the secret. Behind a blank only what
 * looks like one (it has a digit or a sign in it), or a sentence about passwords would
 * lose its words.
 */
#include "values/impl.h"

#include <ctype.h>
#include <string.h>

#define REDACTED "<redacted>"

/* The text being read, and what is left of it. */
struct reading {
    const char *at, *end;
    char *out;
    size_t size, capacity;
};

static void
keep(struct reading *r, const char *bytes, size_t size)
{
    if (size > r->capacity - r->size)
        size = r->capacity - r->size;
    memcpy(r->out + r->size, bytes, size);
    r->size += size;
}

static void
keep_to(struct reading *r, const char *to)
{
    keep(r, r->at, (size_t)(to - r->at));
    r->at = to;
}

static bool
is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || (c & 0x80) != 0;
}

static const char *
word_end(const struct reading *r, const char *at)
{
    while (at < r->end && is_word(*at))
        at++;
    return at;
}

/* Where a secret that begins at `at` ends: at its quote, or before a blank or what
 * separates things. */
static const char *
secret_end(const struct reading *r, const char *at, char quote)
{
    for (; at < r->end; at++) {
        if (quote != 0 ? *at == quote : strchr(" \t\r\n,;&)}]\"'", *at) != NULL)
            break;
        if (quote != 0 && *at == '\\' && at + 1 < r->end)
            at++;
    }
    return at;
}

static bool
looks_secret(const char *from, const char *to)
{
    bool has_sign = false;

    for (const char *at = from; at < to; at++)
        has_sign |= isdigit((unsigned char)*at) ||
                    (ispunct((unsigned char)*at) && strchr(".,:;!?%-", *at) == NULL);
    return has_sign && to - from >= 3;
}

static bool
is_scheme(const char *from, const char *to)
{
    size_t size = (size_t)(to - from);

    return (size == 6 && strncasecmp(from, "bearer", 6) == 0) ||
           (size == 5 && strncasecmp(from, "basic", 5) == 0) ||
           (size == 6 && strncasecmp(from, "digest", 6) == 0) ||
           (size == 5 && strncasecmp(from, "token", 5) == 0);
}

/* Behind a word that tells of a secret: leaves out the secret, if there is one. */
static void
leave_out(struct reading *r)
{
    const char *at = r->at;
    bool is_assigned = false;
    char quote = 0;

    while (at < r->end && strchr("\"' \t]", *at) != NULL)
        at++;
    while (at < r->end && strchr(":=>", *at) != NULL) {
        is_assigned = true;
        at++;
    }
    while (is_assigned && at < r->end && (*at == ' ' || *at == '\t'))
        at++;
    if (at < r->end && (*at == 'b' || *at == 'u') && at + 1 < r->end &&
        (at[1] == '"' || at[1] == '\''))
        at++;
    if (at < r->end && (*at == '"' || *at == '\''))
        quote = *at++;
    const char *end = secret_end(r, at, quote);
    if (quote == 0 && is_scheme(at, end) && end < r->end && *end == ' ')
        end = secret_end(r, end + 1, 0);
    if (end == at || !(is_assigned || looks_secret(at, end)))
        return;
    keep_to(r, at);
    keep(r, REDACTED, strlen(REDACTED));
    r->at = end;
}

/* At "://": the password of user:password@host. */
static void
leave_out_of_url(struct reading *r)
{
    const char *at = r->at + 3, *colon = NULL;

    for (; at < r->end && strchr(" \t\r\n/?#\"'", *at) == NULL; at++) {
        if (*at == ':' && colon == NULL)
            colon = at;
        if (*at == '@' && colon != NULL) {
            keep_to(r, colon + 1);
            keep(r, REDACTED, strlen(REDACTED));
            r->at = at;
            return;
        }
    }
    keep_to(r, r->at + 3);
}

size_t
values_redact_text(const char *text, size_t size, char *out, size_t capacity)
{
    struct reading r = {text, text + size, out, 0, capacity};

    while (r.at < r.end) {
        const char *end = word_end(&r, r.at);
        if (end > r.at) {
            bool is_secret = values_is_secret(r.at, (size_t)(end - r.at));
            keep_to(&r, end);
            if (is_secret)
                leave_out(&r);
        } else if (r.end - r.at > 3 && memcmp(r.at, "://", 3) == 0) {
            leave_out_of_url(&r);
        } else {
            keep_to(&r, r.at + 1);
        }
    }
    return r.size;
}
