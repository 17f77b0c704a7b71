"""Two activations of one function take turns and stay apart."""


def count(n):
    for i in range(n):
        yield i


a, b = count(2), count(1)
next(a)
next(b)
next(a)
next(b, None)
next(a, None)

# expect:
# <module> {
#   builtins.next x2 { count ~ }
#   builtins.next { ^count ~ }
#   builtins.next x2 { ^count }
# }
