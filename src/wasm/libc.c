/* The handful of C library functions the query core uses, for a machine without one.
 * Compiled with -fno-builtin, or memcpy would call itself.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int errno;

void *
memcpy(void *restrict to, const void *restrict from, size_t size)
{
    __builtin_memcpy(to, from, size); /* one instruction: bulk memory */
    return to;
}

void *
memmove(void *to, const void *from, size_t size)
{
    __builtin_memmove(to, from, size);
    return to;
}

void *
memset(void *to, int byte, size_t size)
{
    __builtin_memset(to, byte, size);
    return to;
}

int
memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;

    for (size_t i = 0; i < size; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

void *
memchr(const void *bytes, int byte, size_t size)
{
    const uint8_t *x = bytes;

    for (size_t i = 0; i < size; i++)
        if (x[i] == (uint8_t)byte)
            return (void *)(uintptr_t)(x + i);
    return NULL;
}

size_t
strlen(const char *text)
{
    size_t size = 0;

    while (text[size] != 0)
        size++;
    return size;
}

int
strncmp(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i])
            return (uint8_t)a[i] < (uint8_t)b[i] ? -1 : 1;
        if (a[i] == 0)
            return 0;
    }
    return 0;
}

int
strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *
strchr(const char *text, int byte)
{
    for (;; text++) {
        if (*text == (char)byte)
            return (char *)(uintptr_t)text;
        if (*text == 0)
            return NULL;
    }
}

_Noreturn void
abort(void)
{
    __builtin_trap();
}

/* Heap sort: no stack, no worst case. */
static void
swap(uint8_t *a, uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

static void
sift(uint8_t *items, size_t at, size_t count, size_t size,
     int (*compare)(const void *, const void *))
{
    while (2 * at + 1 < count) {
        size_t child = 2 * at + 1;
        if (child + 1 < count &&
            compare(items + child * size, items + (child + 1) * size) < 0)
            child++;
        if (compare(items + at * size, items + child * size) >= 0)
            return;
        swap(items + at * size, items + child * size, size);
        at = child;
    }
}

void
qsort(void *items, size_t count, size_t size,
      int (*compare)(const void *, const void *))
{
    for (size_t at = count / 2; at-- > 0;)
        sift(items, at, count, size, compare);
    for (size_t left = count; left-- > 1;) {
        swap(items, (uint8_t *)items + left * size, size);
        sift(items, 0, left, size, compare);
    }
}

/* ---- memory: free lists of powers of two (and halves between), 16 bytes apart ---- */

#define PAGE ((size_t)65536)
#define CLASSES 64

struct block {
    size_t size_class;
    union {
        struct block *next; /* while free */
        uint8_t pad[12];
    } u;
};

extern uint8_t __heap_base;
static struct block *free_lists[CLASSES];
static uintptr_t heap_at, heap_end;

/* 32, 48, 64, 96, 128, … bytes, the header's 16 included. */
static size_t
class_size(size_t index)
{
    return ((size_t)(index & 1 ? 3 : 2) << (index / 2)) * 16;
}

static void *
take_fresh(size_t size)
{
    uintptr_t at;

    if (heap_at == 0) {
        heap_at = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
        heap_end = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
    }
    if (size > heap_end - heap_at) {
        size_t need = size - (heap_end - heap_at);
        size_t pages = (need + PAGE - 1) / PAGE;

        if (pages < 16)
            pages = 16;
        if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX)
            return NULL;
        heap_end += pages * PAGE;
    }
    at = heap_at;
    heap_at += size;
    return (void *)at;
}

void *
malloc(size_t size)
{
    struct block *block;
    size_t index = 0;

    if (size > (size_t)1 << 31)
        return NULL;
    while (class_size(index) < size + 16)
        index++;
    block = free_lists[index];
    if (block != NULL)
        free_lists[index] = block->u.next;
    else
        block = take_fresh(class_size(index));
    if (block == NULL)
        return NULL;
    block->size_class = index;
    return (uint8_t *)block + 16;
}

void
free(void *memory)
{
    struct block *block;

    if (memory == NULL)
        return;
    block = (struct block *)((uint8_t *)memory - 16);
    block->u.next = free_lists[block->size_class];
    free_lists[block->size_class] = block;
}

void *
calloc(size_t count, size_t size)
{
    void *memory;

    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    memory = malloc(count * size);
    if (memory != NULL)
        memset(memory, 0, count * size);
    return memory;
}

void *
realloc(void *memory, size_t size)
{
    struct block *block;
    size_t old;
    void *moved;

    if (memory == NULL)
        return malloc(size);
    block = (struct block *)((uint8_t *)memory - 16);
    old = class_size(block->size_class) - 16;
    if (size <= old)
        return memory;
    moved = malloc(size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, memory, old);
    free(memory);
    return moved;
}

/* ---- messages: %s %.*s %c %d %u %x %lu %llu %zu %% ---- */

struct text {
    char *to;
    size_t size, at;
};

static void
put(struct text *text, char byte)
{
    if (text->at + 1 < text->size)
        text->to[text->at] = byte;
    text->at++;
}

static void
put_number(struct text *text, uint64_t value, unsigned base)
{
    char digits[20];
    int count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    while (count > 0)
        put(text, digits[--count]);
}

static void
put_argument(struct text *text, char type, unsigned longs, long limit,
             va_list *arguments)
{
    uint64_t value = 0;

    if (type == 's') {
        const char *from = va_arg(*arguments, const char *);
        for (long i = 0; (limit < 0 || i < limit) && from[i] != 0; i++)
            put(text, from[i]);
        return;
    }
    if (type == 'c') {
        put(text, (char)va_arg(*arguments, int));
        return;
    }
    if (type == 'd' || type == 'i') {
        int64_t number =
            longs > 1 ? va_arg(*arguments, long long) : va_arg(*arguments, int);
        if (number < 0)
            put(text, '-');
        value = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    } else {
        value = longs > 1 ? va_arg(*arguments, unsigned long long)
                          : va_arg(*arguments, unsigned);
    }
    put_number(text, value, type == 'x' ? 16 : 10);
}

int
vsnprintf(char *to, size_t size, const char *format, va_list given)
{
    struct text text = {to, size, 0};
    va_list arguments;

    va_copy(arguments, given);
    for (; *format != 0; format++) {
        unsigned longs = 0;
        long limit = -1;

        if (*format != '%') {
            put(&text, *format);
            continue;
        }
        format++;
        while (*format == '0' || *format == '-' || (*format >= '1' && *format <= '9'))
            format++;
        if (*format == '.') {
            format++;
            if (*format == '*') {
                limit = va_arg(arguments, int);
                format++;
            } else {
                for (limit = 0; *format >= '0' && *format <= '9'; format++)
                    limit = limit * 10 + (*format - '0');
            }
        }
        while (*format == 'l' || *format == 'z')
            longs += *format++ == 'l';
        if (*format == 0)
            break;
        if (*format == '%')
            put(&text, '%');
        else
            put_argument(&text, *format, longs, limit, &arguments);
    }
    va_end(arguments);
    if (size > 0)
        to[text.at < size ? text.at : size - 1] = 0;
    return (int)text.at;
}

int
snprintf(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    return count;
}
