"""A class body runs as a call named after the class, below the C function that makes it."""


def default():
    return 1


class Outer:
    x = default()

    class Inner:
        y = default()

    def method(self):
        class Local:
            z = default()

        return Local


Outer().method()

# expect:
# <module> {
#   builtins.__build_class__ {
#     Outer {
#       default
#       builtins.__build_class__ { Outer.Inner { default } }
#     }
#   }
#   Outer.method {
#     builtins.__build_class__ {
#       Outer.method.<locals>.Local { default }
#     }
#   }
# }
