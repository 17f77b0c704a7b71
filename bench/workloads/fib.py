"""Recursion: nothing but calls of one small Python function."""

from __future__ import annotations

from harness import run


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def main(rounds: int) -> int:
    """Makes 21,891 calls a round."""
    return sum(fib(20) for _ in range(rounds))


if __name__ == "__main__":
    run(main, rounds=1000)
