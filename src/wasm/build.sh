#!/bin/sh
# The query core and the raster as wasm:
#   build.sh OUT.wasm CLANG WASM_LD SOURCES…
# The clang driver is not asked to link: where wasm-opt is installed it would run it.
set -eu
out=$1 clang=$2 ld=$3
shift 3
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Of the system's headers only xxHash, which is one file and needs nothing.
xxhash=${XXHASH_H:-/usr/include/xxhash.h}
cp "$xxhash" "$work/xxhash.h"
n=0
for source in "$@"; do
    n=$((n + 1))
    builtin=
    case $source in *wasm/libc.c) builtin=-fno-builtin ;; esac
    "$clang" --target=wasm32 -std=c11 -O3 -DNDEBUG -Wall -Wextra -Werror \
        -msimd128 -mbulk-memory -mnontrapping-fptoint -msign-ext -ffp-contract=off \
        -ffreestanding -fvisibility=hidden -fno-strict-aliasing $builtin \
        -ffile-prefix-map="$top"=. -isystem "$top/src/wasm/include" -isystem "$work" \
        -I"$top/include" -I"$top/src" -c "$source" -o "$work/$(printf %03d $n).o"
done
"$ld" --no-entry --export-dynamic --strip-all --gc-sections ${WASM_LD_FLAGS:-} \
    -z stack-size=262144 "$work"/*.o -o "$out"
