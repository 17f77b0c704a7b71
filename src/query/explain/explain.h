/* How a program ended, found in its trace: what explain.c, explain/find.c and
 * explain/tree.c share.
 *
 *     find: one walk over all lanes       tree: one walk over the lane that failed
 *       exceptions that left calls,         the calls it was in, and below each what it
 *       who swallowed them, which           had called last, folded, up to the moment
 *       reached the top of a thread         of the failure
 *
 * Both keep what they need of a lane's open calls, and of all else a bounded number.
 */
#ifndef MAREY_QUERY_EXPLAIN_H
#define MAREY_QUERY_EXPLAIN_H

#include "base/compiler.h"
#include "marey/answer.h"

#define EXPLAIN_LINKS_MAX 8
#define EXPLAIN_SWALLOWED_MAX 256
#define EXPLAIN_FAILURES_MAX 64

/* One exception of a chain. */
struct explain_link {
    uint32_t type;     /* string; NO_INDEX: not known */
    uint32_t function; /* whose call it left first */
    uint32_t depth;    /* of that call */
    int64_t time_ns;   /* when it was raised, or left that call */
    uint64_t blob;     /* what was logged of it; 0: nothing */
    bool is_logged;    /* the moment is that of the raise */
    bool is_handling;  /* it was raised while the one before was being handled: known */
};

/* The exceptions that led to one another, the first one first. */
struct explain_chain {
    struct explain_link links[EXPLAIN_LINKS_MAX];
    uint32_t link_count;
    uint32_t dropped_count; /* between the first and the second */
};

/* An exception that somebody caught and let be. */
struct explain_swallowed {
    struct explain_link link;
    uint32_t lane;
    uint32_t by;     /* function; NO_INDEX: not recorded */
    int64_t time_ns; /* when it reached it */
};

/* An exception that reached the top of a thread, or a process that was cut off. */
enum explain_outcome {
    EXPLAIN_RETURNED, /* it ended as programs do */
    EXPLAIN_EXIT,     /* sys.exit(); os._exit() with a status that tells of failure */
    EXPLAIN_THREAD,   /* a thread ended by an exception */
    EXPLAIN_KILLED,   /* the process did not say that it ended */
    EXPLAIN_RAISED,   /* the main thread ended by an exception */
};
struct explain_failure {
    enum explain_outcome outcome;
    uint32_t lane; /* NO_INDEX: no thread was recorded */
    uint32_t process;
    uint32_t depth;  /* of the call it left last */
    int64_t time_ns; /* when the exception left the last call; the last event */
    struct explain_chain chain;
};

struct explain_found {
    struct explain_failure failures[EXPLAIN_FAILURES_MAX]; /* the worst first */
    uint32_t failure_count;
    struct explain_swallowed swallowed[EXPLAIN_SWALLOWED_MAX]; /* a ring */
    uint64_t swallowed_count;
};

/* Walks the selection. */
enum marey_status explain_find(struct marey_trace *trace,
                               const struct marey_question *question,
                               struct explain_found *out, struct marey_error *err);

bool explain_is_named(struct marey_text text, const char *name);

/* ---- the tree ---- */

/* A value that a name had in a call. */
struct explain_name {
    uint32_t string;
    uint8_t log_class;
    int64_t time_ns;
    uint64_t blob;
    uint32_t next; /* older; 0: none */
};

/* A call, or a point, with what happened in it. Index 0 is none. */
struct explain_node {
    struct marey_step step; /* begin of the last one folded into it, then its end */
    uint64_t count;         /* folded into it */
    int64_t total_ns;
    uint64_t dropped_count; /* of its children, the oldest */
    uint32_t first, last;   /* children */
    uint32_t child_count;
    uint32_t next; /* sibling */
    uint32_t names;
    uint32_t name_count;
    bool is_ended;
};

struct explain_tree {
    struct explain_node *nodes; /* owned; [0] is below all calls */
    size_t node_count, node_capacity;
    uint32_t free_node;
    struct explain_name *names; /* owned; [0] is unused */
    size_t name_count, name_capacity;
    uint32_t free_name;
    uint32_t *open; /* owned; nodes of the calls open, outermost first */
    size_t open_capacity;
    uint32_t depth; /* of them */
};

/* What the lane did up to `time_ns`. explain_tree_release() always follows. */
enum marey_status explain_tree_grow(struct explain_tree *tree,
                                    struct marey_trace *trace,
                                    const struct explain_failure *failure,
                                    struct marey_error *err);
void explain_tree_release(struct explain_tree *tree);

#endif
