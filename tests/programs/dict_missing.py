"""A mapping type in Python: __missing__, __hash__ and __eq__ are called from C."""


class Default(dict):
    def __missing__(self, key):
        return key


class Key:
    def __hash__(self):
        return 1

    def __eq__(self, other):
        return self is other


Default()["x"]
{Key(): 1}.get(Key())
{Key(), Key()}

# expect:
# <module> {
#   builtins.__build_class__ { Default }
#   builtins.__build_class__ { Key }
#   Default.__missing__
#   Key.__hash__
#   dict.get { Key.__hash__ Key.__eq__ }
#   Key.__hash__ x2
#   Key.__eq__
# }
