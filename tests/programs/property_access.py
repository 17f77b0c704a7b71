"""Getter, setter and deleter of a property are calls of the function that touches it."""


class Thing:
    @property
    def size(self):
        return 1

    @size.setter
    def size(self, value):
        abs(value)

    @size.deleter
    def size(self):
        raise AttributeError


def work(thing):
    thing.size
    thing.size = 2
    try:
        del thing.size
    except AttributeError:
        pass


work(Thing())

# expect:
# <module> {
#   builtins.__build_class__ {
#     Thing { property.setter property.deleter }
#   }
#   work {
#     Thing.size
#     Thing.size { builtins.abs }
#     Thing.size !AttributeError
#   }
# }
