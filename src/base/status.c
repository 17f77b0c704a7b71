/* Texts of the status codes, and the one way to fill an error. */
#include "marey/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define MAREY_STATUS_TEXT(name, text) text,
static const char *const texts[] = {MAREY_STATUS_LIST(MAREY_STATUS_TEXT)};
#undef MAREY_STATUS_TEXT

const char *
marey_status_text(enum marey_status status)
{
    return (unsigned)status < MAREY_STATUS_COUNT ? texts[status] : "unknown status";
}

enum marey_status
marey_fail(struct marey_error *err, enum marey_status status, const char *format, ...)
{
    va_list arguments;

    if (err == NULL)
        return status;
    err->system_errno = status == MAREY_IO || status == MAREY_FULL ? errno : 0;
    err->status = status;
    err->offset = UINT64_MAX;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof(err->message), format, arguments);
    va_end(arguments);
    return status;
}
