/* A short line put together without a C library. */
#ifndef MAREY_BASE_LINE_H
#define MAREY_BASE_LINE_H

#include <stddef.h>
#include <stdint.h>

/* Always terminated; what does not fit is left out. Usable when all zero. */
struct marey_line {
    char text[256];
    size_t size;
};
void marey_line_put(struct marey_line *line, const char *text);
void marey_line_put_number(struct marey_line *line, uint64_t number);

#endif
