"""A weak reference's callback runs where its object dies."""
import weakref


class Thing:
    pass


def gone(reference):
    len("x")


def work():
    thing = Thing()
    reference = weakref.ref(thing, gone)
    del thing
    abs(1)


work()

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   work { gone { builtins.len } builtins.abs }
# }
