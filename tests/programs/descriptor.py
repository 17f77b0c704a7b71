"""A descriptor written in Python is called at each access."""


class Described:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, thing, owner):
        return 1

    def __set__(self, thing, value):
        abs(value)


class Thing:
    field = Described()


thing = Thing()
thing.field = 1
thing.field
Thing.field

# expect:
# <module> {
#   builtins.__build_class__ { Described }
#   builtins.__build_class__ {
#     Thing
#     Described.__set_name__
#   }
#   Described.__set__ { builtins.abs }
#   Described.__get__ x2
# }
