"""Generators: a pipeline of them, so that most events are resumes and yields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness import run

NUMBERS_PER_ROUND = 2000


def numbers(count: int) -> Iterator[int]:
    """Numbers that look random and are the same everywhere."""
    state = 1
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2147483648
        yield state >> 8


def odd(values: Iterable[int]) -> Iterator[int]:
    for value in values:
        if value & 1:
            yield value


def paired(values: Iterable[int]) -> Iterator[tuple[int, int]]:
    iterator = iter(values)
    for first in iterator:
        for second in iterator:
            yield first, second
            break


def flattened(pairs: Iterable[tuple[int, int]]) -> Iterator[int]:
    for pair in pairs:
        yield from small_first(*pair)


def small_first(a: int, b: int) -> Iterator[int]:
    yield min(a, b)
    yield max(a, b)


def main(rounds: int) -> int:
    """Resumes some 8,000 generators a round."""
    total = 0
    for _ in range(rounds):
        for value in flattened(paired(odd(numbers(NUMBERS_PER_ROUND)))):
            total += value
    return total


if __name__ == "__main__":
    run(main, rounds=1000)
