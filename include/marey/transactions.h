/* Transactions: the calls that are units of work, one by one and summed by name.
 *
 *     struct marey_transactions *all = NULL;
 *     marey_transactions_new(trace, &pick, &all, &err);
 *     struct marey_transaction one;
 *     while (marey_transactions_next(all, &one))
 *         printf("%.*s\n", (int)one.name.size_bytes, one.name.bytes);
 *     marey_transactions_free(all);
 *
 * A transaction lasts from its first begin to its end, the parts in which it was
 * suspended included, on whichever lanes it ran. Memory is held for those that are open
 * at one time, and for the names, however many there are. Text is borrowed until
 * the next call or, where it is a name, until free(). One thread at a time.
 */
#ifndef MAREY_TRANSACTIONS_H
#define MAREY_TRANSACTIONS_H

#include "marey/query.h"

/* Where values of a transaction lie, for marey_trace_values(). */
struct marey_values_place {
    uint32_t lane;
    uint64_t blob;
};
#define MAREY_TRANSACTION_PLACES_MAX 16 /* values beyond are left out */

struct marey_transaction {
    struct marey_text name; /* as annotated last, or as marked */
    uint32_t function;      /* index */
    uint32_t lane;          /* where it began (was first seen) */
    uint32_t end_lane;
    int64_t begin_ns, end_ns;
    enum marey_ending ending;
    bool is_cancelled;  /* RAISED, but only to stop it */
    bool was_open;      /* its begin was not seen */
    bool is_nested;     /* inside another of its name */
    uint32_t exception; /* string, or MAREY_NO_INDEX */
    /* Where the time went; the five together are end_ns - begin_ns. */
    int64_t own_ns;     /* running, in code that was not recorded below it */
    int64_t call_ns;    /* in recorded Python calls and spans */
    int64_t c_ns;       /* in recorded C functions */
    int64_t child_ns;   /* in transactions inside it */
    int64_t waiting_ns; /* suspended */
    uint32_t
        parent_lane; /* of the one around it where it began; MAREY_NO_INDEX: none */
    int64_t parent_begin_ns;
    uint32_t root_lane; /* of the outermost around it, or its own */
    int64_t root_begin_ns;
    struct marey_values_place root_values; /* what that one began with; blob 0: none */
    uint32_t place_count;
    struct marey_values_place places[MAREY_TRANSACTION_PLACES_MAX];
};

struct marey_transactions;

/* The selection's functions choose transactions, its window and lanes what is looked
 * at, its shortest duration which are told; its depth is not used. The tables are
 * borrowed until free(). */
enum marey_status marey_transactions_new(struct marey_trace *trace,
                                         const struct marey_selection *selection,
                                         struct marey_transactions **out,
                                         struct marey_error *err);
/* In order of their ends; those that are still waiting last. False at the end, and when
 * marey_transactions_status() is not MAREY_OK. */
bool marey_transactions_next(struct marey_transactions *all,
                             struct marey_transaction *out);
enum marey_status marey_transactions_status(const struct marey_transactions *all,
                                            struct marey_error *err);
/* Events played, and events missing so far. */
uint64_t marey_transactions_position(const struct marey_transactions *all);
uint64_t marey_transactions_lost_count(const struct marey_transactions *all);
void marey_transactions_free(struct marey_transactions *all);

/* Whether an exception of this type only stops what it ends: a task that is cancelled,
 * a generator that is closed. */
bool marey_is_cancellation(const struct marey_trace *trace, uint32_t exception);

/* What a transaction is found again by: `SERIAL.NANOSECONDS`, of the lane and the time
 * where it began. */
#define MAREY_TRANSACTION_ID_MAX 48
void marey_transaction_id(const struct marey_trace *trace, uint32_t lane,
                          int64_t begin_ns, char out[MAREY_TRANSACTION_ID_MAX]);

#endif
