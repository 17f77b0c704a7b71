"""os._exit ends the process at once: every call around it is still open."""
import os


def inner():
    os._exit(0)


def outer():
    inner()


outer()

# expect:
# <module> ... {
#   outer ... { inner ... { posix._exit ... } }
# }
