"""A recording that starts inside calls has them open around all it records."""
import sys

import marey


def work():
    abs(1)


def main():
    work()
    with marey.record(sys.argv[1]):
        work()
    work()


main()

# expect:
# <module> ... { main ... { work { builtins.abs } } }
