/* Nothing prints in the page: only what declarations need. */
#ifndef MAREY_WASM_STDIO_H
#define MAREY_WASM_STDIO_H

#include <stdarg.h>
#include <stddef.h>

int vsnprintf(char *to, size_t size, const char *format, va_list arguments);
int snprintf(char *to, size_t size, const char *format, ...);

#endif
