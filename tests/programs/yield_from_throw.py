"""A throw into a delegating generator goes to the innermost one."""


def inner():
    try:
        yield 1
    except KeyError:
        yield 2


def outer():
    yield from inner()
    yield 3


g = outer()
next(g)
g.throw(KeyError)
next(g)
try:
    g.throw(ValueError)
except ValueError:
    pass

# expect:
# <module> {
#   builtins.next { outer ~ { inner ~ } }
#   generator.throw { ^!KeyError inner ~ }
#   builtins.next { ^outer ~ { ^inner } }
#   generator.throw !? { ^!ValueError outer !ValueError }
# }
