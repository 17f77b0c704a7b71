"""__del__ is called where the last reference goes."""


class Thing:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        abs(0)


def local():
    thing = Thing("a")
    len("x")


def replaced():
    thing = Thing("b")
    thing = Thing("c")
    len("x")


def inside_a_list():
    things = [Thing("d"), Thing("e")]
    things.clear()


local()
replaced()
inside_a_list()

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   local { Thing.__init__ builtins.len }
#   Thing.__del__ { builtins.abs }
#   replaced {
#     Thing.__init__ x2
#     Thing.__del__ { builtins.abs }
#     builtins.len
#   }
#   Thing.__del__ { builtins.abs }
#   inside_a_list {
#     Thing.__init__ x2
#     list.clear { Thing.__del__ x2 { builtins.abs } }
#   }
# }
