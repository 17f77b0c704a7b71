"""Bound, unbound, static and class methods are called alike."""


class Thing:
    def method(self):
        return 1

    @staticmethod
    def static():
        return 2

    @classmethod
    def of_class(cls):
        return 3

    def __call__(self):
        return 4


thing = Thing()
thing.method()
Thing.method(thing)
bound = thing.method
bound()
thing.static()
Thing.static()
thing.of_class()
Thing.of_class()
thing()
"a".upper()
str.upper("a")
up = "a".upper
up()

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   Thing.method x3
#   Thing.static x2
#   Thing.of_class x2
#   Thing.__call__
#   str.upper x3
# }
