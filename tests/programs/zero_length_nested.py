"""Calls that begin and end on one tick stay inside each other."""


def d():
    pass


def c():
    d()


def b():
    c()
    len("")
    d()


def a():
    b()


for _ in range(10_000):
    a()

# expect:
# <module> { a x10000 { b { c { d } builtins.len d } } }
