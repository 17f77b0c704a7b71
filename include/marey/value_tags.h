/* The tags of values: in blobs of a trace, and in what readers give of them.
 *
 * The numbers are those of docs/format.md, section 4, which says what follows each.
 */
#ifndef MAREY_VALUE_TAGS_H
#define MAREY_VALUE_TAGS_H

enum marey_value_tag {
    MAREY_VALUE_NONE = 1,
    MAREY_VALUE_FALSE,
    MAREY_VALUE_TRUE,
    MAREY_VALUE_INT,    /* zigzag varint */
    MAREY_VALUE_FLOAT,  /* f64 */
    MAREY_VALUE_TEXT,   /* varint size, UTF-8 (surrogates kept) */
    MAREY_VALUE_BYTES,  /* varint size, bytes */
    MAREY_VALUE_OBJECT, /* varint size, text that describes it */
    MAREY_VALUE_REDACTED,
    MAREY_VALUE_NOT_RECORDED,
    MAREY_VALUE_UNBOUND,
    MAREY_VALUE_ERROR,
    MAREY_VALUE_CUT_TEXT,  /* varint characters in all, varint size, UTF-8 */
    MAREY_VALUE_CUT_BYTES, /* varint bytes in all, varint size, bytes */
    MAREY_VALUE_NUMBER,    /* varint size, a number as text */
    MAREY_VALUE_COMPLEX,   /* f64, f64 */
    MAREY_VALUE_LIST,      /* varint items in all, varint n, n values */
    MAREY_VALUE_TUPLE,
    MAREY_VALUE_SET,
    MAREY_VALUE_FROZENSET,
    MAREY_VALUE_DICT,     /* the same, n times two values */
    MAREY_VALUE_INSTANCE, /* type, address, attributes in all, n, n named */
    MAREY_VALUE_MADE,     /* type, values in all, p, n, p values, n named */
    MAREY_VALUE_ENUM,     /* type, varint size, name */
    MAREY_VALUE_SEEN,     /* varint levels up: a value that encloses this one */
};

#endif
