"""A partial is no C function: what it calls hangs on who called it."""
import functools


def f(a, b):
    return a + b


p = functools.partial(f, 1)
p(2)
q = functools.partial(len, "x")
q()


class Thing:
    def method(self, n):
        return n

    half = functools.partialmethod(method, 5)


Thing().half()

# expect:
# <module> {
#   f
#   builtins.__build_class__ {
#     Thing {
#       @<3.14 functools:partialmethod.__init__
#       @>=3.14 functools:_partial_new
#     }
#   }
#   functools:partialmethod.__get__
#   Thing.method
# }
