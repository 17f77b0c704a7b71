/* What the answers on transactions share. */
#ifndef MAREY_QUERY_ANSWER_TRANSACTIONS_H
#define MAREY_QUERY_ANSWER_TRANSACTIONS_H

#include "marey/answer.h"
#include "marey/transactions.h"

/* "attributes": all values of these places. */
void marey_put_attributes(struct marey_trace *trace,
                          const struct marey_values_place *places, uint32_t count,
                          struct marey_answer *out);
/* Keys and values of one transaction, into an object that is open. */
void marey_put_transaction(struct marey_trace *trace,
                           const struct marey_transaction *one,
                           struct marey_answer *out);
/* "returned", "raised", "cancelled", "cut", "open". */
const char *marey_ending_word(enum marey_ending ending, bool is_cancelled);

#endif
