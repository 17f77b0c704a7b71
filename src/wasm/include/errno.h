/* There is no system below. */
#ifndef MAREY_WASM_ERRNO_H
#define MAREY_WASM_ERRNO_H

extern int errno;

#endif
