"""A function made from a code object, with globals of its own."""
import types


def template():
    return abs(-1)


types.FunctionType(template.__code__, {"__name__": "__main__"})()
types.FunctionType(template.__code__, globals(), "other name")()

# expect:
# <module> {
#   template { builtins.abs }
#   builtins.globals
#   template { builtins.abs }
# }
