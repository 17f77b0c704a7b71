"""__init_subclass__ and __set_name__ are called while a class is made."""


class Named:
    def __set_name__(self, owner, name):
        len(name)


class Base:
    def __init_subclass__(cls, **options):
        abs(1)


class Derived(Base, option=1):
    named = Named()

# expect:
# <module> {
#   builtins.__build_class__ { Named }
#   builtins.__build_class__ { Base }
#   builtins.__build_class__ {
#     Derived
#     Named.__set_name__ { builtins.len }
#     Base.__init_subclass__ { builtins.abs }
#   }
# }
