"""KeyboardInterrupt is an exception like others."""


def inner():
    raise KeyboardInterrupt


def outer():
    inner()


try:
    outer()
except KeyboardInterrupt:
    abs(1)

# expect:
# <module> {
#   outer !KeyboardInterrupt { inner !KeyboardInterrupt }
#   builtins.abs
# }
