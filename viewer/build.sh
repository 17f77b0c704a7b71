#!/bin/sh
# Builds the page, by default the one that is committed:
#   viewer/build.sh [OUT.html]
# Needs clang, wasm-ld, node, and `npm install` in this folder. CLANG and WASM_LD name
# other ones. The same tools give the same bytes.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$top/python/marey/_page/page.html}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$top"
# The reading half, but for what asks an operating system or writes.
export LC_ALL=C
sources=$(ls src/query/*.c src/query/*/*.c |
    grep -v -e /open_path -e /check/ -e '/rewrite/[^r]')
"$top/src/wasm/build.sh" "$work/core.wasm" "${CLANG:-clang}" "${WASM_LD:-wasm-ld}" \
    src/wasm/shim.c src/wasm/libc.c src/wasm/expand.c \
    src/raster/colour.c src/raster/raster.c \
    src/format/definitions.c src/format/directory.c src/format/get.c \
    src/format/stream.c src/format/unpack.c src/base/checksum.c src/base/line.c src/base/memory.c \
    src/base/number.c \
    src/base/sort.c src/base/status.c src/base/table.c $sources
mkdir -p "$(dirname "$out")"
node viewer/build.mjs "$work/core.wasm" "$out"
