"""Iterators made in C call back whenever they are asked for more."""
import itertools


def small(x):
    return x < 2


def add(a, b):
    return a + b


list(itertools.takewhile(small, [1, 2]))
for key, group in itertools.groupby([1, 2], key=small):
    pass
list(itertools.accumulate([1, 2], add))

# expect:
# <module> { small x4 add }
