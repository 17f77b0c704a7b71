"""A generator's return value is a return like another."""


def numbers():
    got = yield 1
    return got


g = numbers()
next(g)
try:
    g.send(5)
except StopIteration as stop:
    abs(stop.value)

# expect:
# <module> {
#   builtins.next { numbers ~ }
#   generator.send !? { ^numbers }
#   builtins.abs
# }
