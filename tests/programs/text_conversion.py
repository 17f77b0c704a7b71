"""str, repr and format of an object in Python."""


class Thing:
    def __str__(self):
        return "str"

    def __repr__(self):
        return "repr"

    def __format__(self, spec):
        return "format"


thing = Thing()
str(thing)
repr(thing)
f"{thing} {thing!r}"
"%s" % thing
"{}".format(thing)
"".join([str(thing)])
[thing].__repr__()

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   Thing.__str__
#   builtins.repr { Thing.__repr__ }
#   Thing.__format__
#   Thing.__repr__
#   Thing.__str__
#   str.format { Thing.__format__ }
#   Thing.__str__
#   str.join
#   Thing.__repr__
# }
