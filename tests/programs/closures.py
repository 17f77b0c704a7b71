"""Nested functions are named by where they stand."""


def outer(n):
    def inner():
        def innermost():
            return abs(n)

        return innermost()

    return inner


outer(1)()

# expect:
# <module> {
#   outer
#   outer.<locals>.inner {
#     outer.<locals>.inner.<locals>.innermost { builtins.abs }
#   }
# }
