"""throw() into a generator that has not started ends it at once."""


def numbers():
    yield 1


g = numbers()
try:
    g.throw(KeyError)
except KeyError:
    pass

# expect:
# <module> {
#   generator.throw !? { ^!KeyError numbers !KeyError }
# }
