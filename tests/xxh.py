"""XXH32 and XXH64 with seed 0, from the xxHash specification."""

M32, M64 = 2**32 - 1, 2**64 - 1
P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1)
P64 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def rotl32(x: int, by: int) -> int:
    return ((x << by) | (x >> (32 - by))) & M32


def rotl64(x: int, by: int) -> int:
    return ((x << by) | (x >> (64 - by))) & M64


def xxh32(data: bytes) -> int:
    p1, p2, p3, p4, p5 = P32
    size, at = len(data), 0
    if size >= 16:
        lanes = [(p1 + p2) & M32, p2, 0, -p1 & M32]
        while at + 16 <= size:
            for i in range(4):
                word = int.from_bytes(data[at : at + 4], "little")
                lanes[i] = rotl32((lanes[i] + word * p2) & M32, 13) * p1 & M32
                at += 4
        acc = sum(map(rotl32, lanes, (1, 7, 12, 18)))
    else:
        acc = p5
    acc = (acc + size) & M32
    while at + 4 <= size:
        word = int.from_bytes(data[at : at + 4], "little")
        acc = rotl32((acc + word * p3) & M32, 17) * p4 & M32
        at += 4
    for byte in data[at:]:
        acc = rotl32((acc + byte * p5) & M32, 11) * p1 & M32
    acc = (acc ^ acc >> 15) * p2 & M32
    acc = (acc ^ acc >> 13) * p3 & M32
    return acc ^ acc >> 16


def xxh64(data: bytes) -> int:
    p1, p2, p3, p4, p5 = P64
    size, at = len(data), 0
    if size >= 32:
        a, b, c, d = (p1 + p2) & M64, p2, 0, -p1 & M64
        whole = size & ~31
        words = memoryview(data)[:whole].cast("Q")  # little-endian machines only
        for i in range(0, whole >> 3, 4):
            x = a + words[i] * p2
            a = ((x << 31) | ((x & M64) >> 33)) * p1 & M64
            x = b + words[i + 1] * p2
            b = ((x << 31) | ((x & M64) >> 33)) * p1 & M64
            x = c + words[i + 2] * p2
            c = ((x << 31) | ((x & M64) >> 33)) * p1 & M64
            x = d + words[i + 3] * p2
            d = ((x << 31) | ((x & M64) >> 33)) * p1 & M64
        at = whole
        acc = sum(map(rotl64, (a, b, c, d), (1, 7, 12, 18))) & M64
        for lane in (a, b, c, d):
            acc = ((acc ^ round64(lane)) * p1 + p4) & M64
    else:
        acc = p5
    acc = (acc + size) & M64
    while at + 8 <= size:
        word = int.from_bytes(data[at : at + 8], "little")
        acc = (rotl64(acc ^ round64(word), 27) * p1 + p4) & M64
        at += 8
    if at + 4 <= size:
        word = int.from_bytes(data[at : at + 4], "little")
        acc = (rotl64(acc ^ (word * p1 & M64), 23) * p2 + p3) & M64
        at += 4
    for byte in data[at:]:
        acc = rotl64(acc ^ (byte * p5 & M64), 11) * p1 & M64
    acc = (acc ^ acc >> 33) * p2 & M64
    acc = (acc ^ acc >> 29) * p3 & M64
    return acc ^ acc >> 32


def round64(word: int) -> int:
    return rotl64(word * P64[1] & M64, 31) * P64[0] & M64
