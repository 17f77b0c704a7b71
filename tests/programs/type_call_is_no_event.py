"""Types are no C functions; what they call in Python is seen."""


class Thing:
    def __init__(self):
        abs(1)

    def __iter__(self):
        yield 1


int("3")
list((1, 2))
Thing()
tuple(Thing())
dict(a=1)
isinstance(1, int)
type(1)
super(Thing, Thing()).__init__()

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   Thing.__init__ x2 { builtins.abs }
#   Thing.__iter__ ~
#   ^Thing.__iter__
#   builtins.isinstance
#   Thing.__init__ { builtins.abs }
# }
