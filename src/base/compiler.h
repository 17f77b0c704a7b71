/* The few things C11 does not say, each under one name. The only place for compiler
 * extensions besides attributes on declarations. */
#ifndef MAREY_BASE_COMPILER_H
#define MAREY_BASE_COMPILER_H

#define MAREY_LIKELY(x) __builtin_expect(!!(x), 1)
#define MAREY_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MAREY_ASSUME(x) ((x) ? (void)0 : __builtin_unreachable())
#define MAREY_NOINLINE __attribute__((noinline, cold))
#define MAREY_INLINE static inline __attribute__((always_inline))
#define MAREY_FALLTHROUGH __attribute__((fallthrough))
#define MAREY_EXPORT __attribute__((visibility("default")))
/* Has the compiler keep the pointer itself in a register, not what it was made from. */
#define MAREY_IN_REGISTER(pointer) __asm__("" : "+r"(pointer))
/* One load relative to the thread pointer instead of a call: the module takes its few
 * bytes from the space that the loader keeps for late-comers. */
#define MAREY_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

#endif
