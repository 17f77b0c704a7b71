"""An exception ends the calls it passes, and not the one that catches it."""


def raises():
    raise KeyError("x")


def passes():
    raises()


def catches():
    try:
        passes()
    except KeyError:
        return abs(-1)


catches()

# expect:
# <module> {
#   catches {
#     passes !KeyError { raises !KeyError }
#     builtins.abs
#   }
# }
