"""The hashes that the reference reader and the builder rely on are the real ones."""

import pytest
from xxh import xxh32, xxh64


def sanity_buffer(size: int) -> bytes:
    """The bytes that xxHash's own self-test hashes."""
    out, generator = bytearray(), 2654435761
    for _ in range(size):
        out.append(generator >> 24)
        generator = generator * generator & 0xFFFFFFFF
    return bytes(out)


@pytest.mark.parametrize(
    ("data", "want32", "want64"),
    [
        (b"", 0x02CC5D05, 0xEF46DB3751D8E999),
        (b"abc", 0x32D153FF, 0x44BC2CF5AD770999),
        (sanity_buffer(1), 0xB85CBEE5, 0x4FCE394CC88952D8),
        (sanity_buffer(14), 0xE5AA0AB4, 0xCFFA8DB881BC3A3D),
        (sanity_buffer(101), 0x1F1AA412, 0x0EAB543384F878AD),
        (
            b"Nobody inspects the spammish repetition",
            0xE2293B2F,
            0xFBCEA83C8A378BF1,
        ),
    ],
)
def test_hashes_equal_the_published_ones(data: bytes, want32: int, want64: int) -> None:
    assert xxh32(data) == want32
    assert xxh64(data) == want64
