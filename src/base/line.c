/* Short lines. */
#include "base/line.h"

void
marey_line_put(struct marey_line *line, const char *text)
{
    while (*text != '\0' && line->size < sizeof(line->text) - 1)
        line->text[line->size++] = *text++;
    line->text[line->size] = '\0';
}

void
marey_line_put_number(struct marey_line *line, uint64_t number)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    marey_line_put(line, digits + at);
}
