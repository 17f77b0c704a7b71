/* What is logged of the program without a change of its code (docs/logging.md).
 *
 *   logs.c        the rules (--args, --returns, --log), and what they say of a function
 *   arguments.c   values of a call: arguments at its start, what it returned
 *   assign.c      assignments to variables and attributes, seen where they happen
 *   stack.c       how deep the evaluation stack is at each instruction
 *   exceptions.c  where exceptions are raised, handled, swallowed
 *   messages.c    print(), records of `logging`, warnings
 *   follow.c      marey.watch(): one variable or attribute, wherever it is stored
 *   tracing.c     the trace function of 3.11, where one of these needs it
 *   lines.c       lines of a function, with the variables that changed
 *   comments.c    what `# marey: …` comments ask for; magic.c finds them in the text
 *   around.c      garbage collections, audit events
 *
 * Rules are read once, at the start of a recording. Each function is judged at first
 * sight; what no rule matches is left as it is and costs nothing.
 *
 * All of it needs the thread attached and may be called with an exception set. */
#ifndef MAREY_EXT_LOGS_H
#define MAREY_EXT_LOGS_H

#include "values/values.h"

/* Kinds of rules, and bits of marey_function.logs: those whose scope it is in. */
enum logs_kind {
    LOGS_ARGS = 1 << 0,
    LOGS_RETURNS = 1 << 1,
    LOGS_VAR = 1 << 2,
    LOGS_ATTR = 1 << 3,
    LOGS_NUMBER = 1 << 4,
    LOGS_EXC = 1 << 5,
    LOGS_EXC_ALL = 1 << 6, /* those that only control the flow, too */
    LOGS_PRINT = 1 << 7,
    LOGS_LOGGING = 1 << 8,
    LOGS_WARNINGS = 1 << 9,
    LOGS_GC = 1 << 10,
    LOGS_AUDIT = 1 << 11,
    LOGS_ENTRY = 1 << 12,
    /* Of functions alone: what they are called with is what is logged. */
    LOGS_SAYS_RECORD = 1 << 13,
    LOGS_SAYS_WARNING = 1 << 14,
    LOGS_LINES = 1 << 15,
    LOGS_COMMENTS = 1 << 16, /* once judged: there are some in the function */
};
/* These are asked for where calls begin and end: such functions go slowly. */
#define LOGS_AT_CALLS                                                                  \
    (LOGS_ARGS | LOGS_RETURNS | LOGS_ENTRY | LOGS_SAYS_RECORD | LOGS_SAYS_WARNING |    \
     LOGS_BY_LINE)
/* These want to know of lines. */
#define LOGS_BY_LINE (LOGS_LINES | LOGS_COMMENTS)
#define LOGS_EXCEPTIONS (LOGS_EXC | LOGS_EXC_ALL)
#define LOGS_SAYS (LOGS_SAYS_RECORD | LOGS_SAYS_WARNING)
/* These look into the code. */
#define LOGS_IN_CODE (LOGS_VAR | LOGS_ATTR | LOGS_NUMBER | LOGS_BY_LINE)

/* ---- logs.c ---- */

/* Kinds that some rule is of. */
extern unsigned logs_kinds;

/* Sets the rules: a sequence of (kind, names, scope). `names`: None for all, a str for
 * that one, or a callable that tells a match; `scope`: None, or a pattern of functions.
 * -1: exception. */
int logs_set_rules(PyObject *rules);
/* Number of this recording, by which functions know whether they were judged in it. */
extern uint16_t logs_recording;
/* Judges the function anew: sets logs, logs_seen and plan. */
void logs_look(struct marey_function *function, PyCodeObject *code);
/* Whether it has to be asked at the start and end of its calls. */
bool logs_is_slow(const struct marey_function *function);
/* Kinds of rules whose scope the function is in. */
unsigned logs_of_function(const struct marey_function *function);
/* A call of the function began; is to end with this value; was left by an exception. */
void logs_start(const struct marey_function *function, const struct pc_frame *frame,
                PyCodeObject *code);
void logs_return(const struct marey_function *function, const struct pc_frame *frame,
                 PyCodeObject *code, PyObject *value);
void logs_unwind(const struct marey_function *function, const struct pc_frame *frame,
                 PyCodeObject *code);
/* Which kinds of rules, among `kinds`, want this name in this function. */
unsigned logs_wanted(unsigned kinds, const struct marey_function *function,
                     PyObject *name);

/* The calling thread's lane if what happens is to be logged; NULL: not. */
struct marey_lane *logs_lane(void);

/* Whether rules of this kind are for some functions only. */
bool logs_has_scope(unsigned kind);
/* What is on for the whole recording; and off again. */
void logs_begin(void);
void logs_end(void);

/* A name of our own: no secret. */
struct values_name logs_name(const char *text);
/* Small values of our own, by the way. `name` and `text` are ours: no secrets. */
void logs_put_int(struct values *body, const char *name, long long value);
void logs_put_text(struct values *body, const char *name, const char *text);
void logs_put_type(struct values *body, const char *name, PyTypeObject *type);

/* A number as a counter; anything else is passed over. */
void logs_number(struct marey_lane *lane, struct values_name name, PyObject *value);
/* A value under a name, at a line of the program. `value`: NULL is unbound, if it
 * `is_known`; `owner`: the object whose attribute it is, or NULL. */
void logs_value(struct marey_lane *lane, uint8_t class, struct values_name name,
                PyObject *value, bool is_known, uint32_t line, PyObject *owner);

/* ---- arguments.c ---- */

/* A call of the function began, or is to end with this value. */
void arguments_start(const struct marey_function *function,
                     const struct pc_frame *frame, PyCodeObject *code);
void arguments_entry(const struct marey_function *function,
                     const struct pc_frame *frame, PyCodeObject *code);
void arguments_return(const struct marey_function *function,
                      const struct pc_frame *frame, PyObject *value);

/* ---- assign.c ---- */

/* Looks for what the rules want in the code; NULL: nothing. Owned by the function. */
struct assign_plan;
const struct assign_plan *assign_plan(PyCodeObject *code,
                                      const struct marey_function *function);
/* Whether some parameter is wanted. */
bool assign_wants_start(const struct assign_plan *plan);
/* A call began: logs the parameters that are wanted. */
void assign_start(const struct assign_plan *plan, const struct pc_frame *frame,
                  PyCodeObject *code);
/* Whether it has more than except clauses. */
bool assign_has_stores(const struct assign_plan *plan);
/* The instruction at `unit` is about to run. False: nobody wants to know. */
bool assign_at(const struct marey_function *function, PyCodeObject *code,
               const struct pc_frame *frame, size_t unit);
/* The callback for INSTRUCTION. */
PyObject *assign_on_instruction(PyObject *self, PyObject *const *args, size_t nargs,
                                PyObject *names);

/* Watches the except clauses of the code, too. */
void assign_add_handlers(PyCodeObject *code, struct marey_function *function);

/* ---- exceptions.c ---- */

/* The callbacks for RAISE and EXCEPTION_HANDLED. */
PyObject *exceptions_on_raise(PyObject *self, PyObject *const *args, size_t nargs,
                              PyObject *names);
PyObject *exceptions_on_handled(PyObject *self, PyObject *const *args, size_t nargs,
                                PyObject *names);
/* A clause took the exception: class HANDLED, or SWALLOWED by a `with` block. */
void exceptions_log_taken(struct marey_lane *lane,
                          const struct marey_function *function, uint8_t class,
                          PyObject *exception, uint32_t line);
/* The same on 3.11, of the frame that runs: an exception passes it; an instruction is
 * about to run (true: that is the end of what is handled); it is left by one, whose
 * type is returned, 0: not known. */
bool exceptions_pass(struct marey_function *function, const struct pc_frame *frame,
                     PyObject *exception, PyObject *traceback);
bool exceptions_at(const struct pc_frame *frame);
uint32_t exceptions_leave(const struct pc_frame *frame);
/* A C function raised, or returned; a call of the function was left by an exception. */
void exceptions_c_raised(PyObject *callable);
void exceptions_c_returned(PyObject *callable);
void exceptions_left(const struct marey_function *function, PyObject *exception);

/* ---- messages.c ---- */

/* LOGS_SAYS_* for a function whose calls are messages. */
unsigned messages_of(const struct marey_function *function);
void messages_start(const struct marey_function *function, const struct pc_frame *frame,
                    PyCodeObject *code);
void messages_set_up(void);
bool messages_is_print(PyObject *callable);
/* Whether the code calls something of that name; whether this instruction may do it so
 * that its arguments are best read before it runs. */
bool messages_has_print(const PyCodeObject *code);
bool messages_may_print(int opcode);
/* The call at `unit` is about to be made; `top` is the slot behind its arguments. Tells
 * if it is one of print(). */
void messages_called(const struct marey_function *function, PyCodeObject *code,
                     const struct pc_frame *frame, size_t unit, int top);
/* print() is called at this place of the running frame. */
void messages_printed(PyCodeObject *code, Py_ssize_t offset, PyObject *first);

/* ---- lines.c ---- */

/* A call of the function began, or ends. */
void lines_start(const struct marey_function *function, const struct pc_frame *frame,
                 PyCodeObject *code);
void lines_end(const struct marey_function *function, const struct pc_frame *frame,
               PyCodeObject *code);
/* A line of it begins: for comments.c, too. */
void lines_begin(const struct marey_function *function, const struct pc_frame *frame,
                 PyCodeObject *code, int line);
/* The callback for LINE. */
PyObject *lines_on_line(PyObject *self, PyObject *const *args, size_t nargs,
                        PyObject *names);

/* ---- comments.c ---- */

/* Looks for what comments in the code's own lines ask for. False: nothing. */
bool comments_look(const struct marey_function *function, PyCodeObject *code);
/* A call of the function began; a line of it begins; it ends. With `is_done` the line
 * that ran last was finished. */
void comments_start(const struct marey_function *function,
                    const struct pc_frame *frame);
void comments_line(const struct marey_function *function, const struct pc_frame *frame,
                   PyCodeObject *code, int line);
void comments_end(const struct marey_function *function, const struct pc_frame *frame,
                  PyCodeObject *code, bool is_done);
/* The recording is over. */
void comments_forget(void);

/* ---- tracing.c (3.11) ---- */

/* Whether some rule or watch needs the trace function. */
bool tracing_is_needed(void);
/* The profile function was told of this event about this frame, and is done with it. */
void tracing_follow(PyFrameObject *object, int what);
/* Nothing is traced from now on; the thread's frames are as they were. */
void tracing_stop(PyThreadState *state);

/* ---- follow.c ---- */

/* Where what is watched lives: in the object, in the dict of a module or class, in a
 * cell, in the frame. */
enum follow_kind { FOLLOW_ATTRIBUTE, FOLLOW_DICT, FOLLOW_CELL, FOLLOW_FRAME };
struct follow_store {
    const PyCodeObject *code;
    PyObject *name; /* borrowed, interned */
    enum follow_kind kind;
    uintptr_t place; /* address of where it goes */
    uint32_t line;
};
/* Whether marey.watch() was ever called in this recording. */
extern bool follow_any;
/* Whether stores of this kind and name are watched in this code; any; its ends. */
bool follow_wants(enum follow_kind kind, const PyCodeObject *code,
                  const PyObject *name);
bool follow_wants_any(const PyCodeObject *code);
bool follow_wants_end(const PyCodeObject *code);
/* A value is about to be stored. False: nobody has wanted the name for a while. */
bool follow_stored(struct marey_lane *lane, const struct follow_store *store,
                   PyObject *value, bool is_known);
/* The frame's call is over. */
void follow_frame_ends(uintptr_t frame);
void follow_end(void);
int follow_add(PyObject *module);

/* ---- around.c ---- */

void around_start(void);
void around_stop(void);

/* ---- stack.c ---- */

/* The evaluation stack before an instruction. */
struct stack_state {
    int32_t depth;  /* entries; -1: the instruction is never reached */
    uint64_t saved; /* bit i: entry i is the outer value of a variable of a
                     * comprehension, to be put back */
};
/* Fills in out[unit] for each of the code's `count` units. False: not understood. */
bool stack_states(PyCodeObject *code, const uint8_t *units, size_t count,
                  struct stack_state *out);
/* The argument of the instruction at `unit`, with its prefixes. */
int stack_oparg(const uint8_t *units, size_t unit);

#endif
