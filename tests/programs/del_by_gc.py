"""A cycle's __del__ is called by the collector."""
import gc

gc.disable()


class Node:
    def __del__(self):
        len("x")


def cycle():
    a, b = Node(), Node()
    a.other, b.other = b, a


cycle()
gc.collect()

# expect:
# <module> {
#   gc.disable
#   builtins.__build_class__ { Node }
#   cycle
#   gc.collect { Node.__del__ x2 { builtins.len } }
# }
