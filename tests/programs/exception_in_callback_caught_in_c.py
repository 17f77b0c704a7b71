"""A C function that swallows a callback's exception returns."""


class Thing:
    def __getattr__(self, name):
        raise AttributeError(name)

    def __len__(self):
        raise TypeError


hasattr(Thing(), "x")
getattr(Thing(), "x", None)
list(Thing for _ in ())

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   builtins.hasattr { Thing.__getattr__ !AttributeError }
#   builtins.getattr { Thing.__getattr__ !AttributeError }
#   <genexpr>
# }
