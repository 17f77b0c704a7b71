"""C functions called from Python: the shortest there are, in a loop."""

from __future__ import annotations

from harness import run

CALLS_PER_ROUND = 1000


def loop(count: int) -> int:
    numbers: list[int] = []
    for i in range(count):
        if len(numbers) < 100:
            numbers.append(abs(-i))
        else:
            numbers.clear()
    return len(numbers)


def main(rounds: int) -> int:
    """Makes some 3,000 C calls and one Python call a round."""
    return sum(loop(CALLS_PER_ROUND) for _ in range(rounds))


if __name__ == "__main__":
    run(main, rounds=8000)
