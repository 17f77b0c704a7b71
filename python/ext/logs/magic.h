/* `# marey: …` comments in the text of a Python file: see magic.c. */
#ifndef MAREY_EXT_MAGIC_H
#define MAREY_EXT_MAGIC_H

#include <stdbool.h>
#include <stddef.h>

struct magic {
    int line;         /* of the comment */
    int first, last;  /* lines of the statement it belongs to; 0: there is none */
    bool is_before;   /* it stands before that: else beside or behind it */
    int indent;       /* columns before the comment's line begins */
    const char *text; /* what follows "marey:", in the text that was given */
    size_t size;      /* bytes of that */
};
/* All of them in order. `*out` is the caller's to free; NULL where there is none. */
size_t magic_find(const char *text, size_t size, struct magic **out);

#endif
