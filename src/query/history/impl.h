/* What the list of variables and the history of one share: values in logs. */
#ifndef MAREY_QUERY_HISTORY_IMPL_H
#define MAREY_QUERY_HISTORY_IMPL_H

#include "marey/history.h"
#include "query/trace.h"

#define HISTORY_TEXT_MAX 160 /* of a value, and of a name */
#define HISTORY_NUMBER_MAX 1.7976931348623157e308

/* A value that a variable got. */
struct history_value {
    struct marey_variable variable; /* name: borrowed for the call */
    double number;
    bool is_number; /* a finite one */
    bool is_gone;   /* the variable is unbound from here on */
    struct marey_text text;
};

typedef void history_take(void *context, const struct history_value *value);

/* Calls `take` for each variable of which the step tells a value. What is damaged is
 * passed over. */
void history_each(struct marey_trace *trace, const struct marey_step *step,
                  history_take *take, void *context);

#endif
