/* Text of any bytes, cut into what a target can take as it is and what it cannot.
 *
 * Names come from programs: they hold NUL, quotes, surrogates (as Python's
 * surrogatepass writes them), and after a merge of damaged traces any byte at all.
 */
#ifndef MAREY_EXPORT_UTF8_H
#define MAREY_EXPORT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* U+FFFD, which stands for what is no character. */
#define MAREY_REPLACEMENT "\xEF\xBF\xBD"
#define MAREY_REPLACEMENT_SIZE ((size_t)3)

/* Size of the well-formed UTF-8 character at bytes (size_bytes >= 1), or 0. Surrogates,
 * overlong forms and what lies past U+10FFFF are not well-formed. */
size_t marey_utf8_size(const uint8_t *bytes, size_t size_bytes);

/* Where marey_utf8_size() is 0: how many bytes one replacement stands for. A
 * surrogate's three are one; else the bytes that began a character, at least one. */
size_t marey_utf8_skip(const uint8_t *bytes, size_t size_bytes);

#endif
