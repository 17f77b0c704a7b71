"""A delegation resumes the outer generator and the inner one inside it."""


def inner():
    got = yield 1
    abs(1)
    yield 2
    return got


def outer():
    value = yield from inner()
    len("x")
    yield value


for _ in outer():
    pass

# expect:
# <module> {
#   outer ~ { inner ~ }
#   ^outer ~ { ^inner ~ { builtins.abs } }
#   ^outer ~ { ^inner builtins.len }
#   ^outer
# }
