"""A cached property's function is called once."""
import functools


class Thing:
    @functools.cached_property
    def size(self):
        return len("x")


thing = Thing()
thing.size
thing.size

# expect:
# <module> {
#   builtins.__build_class__ {
#     Thing { functools:cached_property.__init__ }
#   }
#   functools:cached_property.__get__ {
#     Thing.size { builtins.len }
#   }
# }
