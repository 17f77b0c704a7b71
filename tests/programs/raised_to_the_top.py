"""An exception nobody catches ends every call up to the module."""


def inner():
    raise ValueError("not caught on purpose")


def outer():
    inner()


outer()

# expect:
# <module> !ValueError {
#   outer !ValueError { inner !ValueError }
# }
