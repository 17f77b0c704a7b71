/* The formats that messages use. */
#ifndef MAREY_WASM_INTTYPES_H
#define MAREY_WASM_INTTYPES_H

#include <stdint.h>

#define PRIu64 "llu"
#define PRId64 "lld"
#define PRIx64 "llx"
#define PRIu32 "u"
#define PRId32 "d"

#endif
