"""throw() resumes a generator with an exception, caught there or not."""


def numbers():
    try:
        yield 1
    except KeyError:
        yield 2
    yield 3


g = numbers()
next(g)
g.throw(KeyError)
next(g)
try:
    g.throw(OSError("not caught"))
except OSError:
    pass

# expect:
# <module> {
#   builtins.next { numbers ~ }
#   generator.throw { ^!KeyError numbers ~ }
#   builtins.next { ^numbers ~ }
#   generator.throw !? { ^!OSError numbers !OSError }
# }
