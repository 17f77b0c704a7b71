"""A generator that was started before the recording is resumed in it."""
import sys

import marey


def numbers():
    yield 1
    abs(1)
    yield 2


def work(generator):
    next(generator)


g = numbers()
next(g)
with marey.record(sys.argv[1]):
    work(g)
    next(g, None)

# expect:
# <module> ... {
#   work { builtins.next { ^numbers ~ { builtins.abs } } }
#   builtins.next { ^numbers }
# }
