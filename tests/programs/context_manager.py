"""A generator as a context manager: two parts, and a throw where the block raises."""
from contextlib import contextmanager


@contextmanager
def block():
    try:
        yield 1
    except KeyError:
        abs(1)


def work():
    len("x")


with block():
    work()
with block():
    raise KeyError
try:
    with block():
        raise OSError
except OSError:
    pass

# expect:
# <module> {
#   contextlib:contextmanager
#   contextlib:contextmanager.<locals>.helper
#   contextlib:_GeneratorContextManager.__enter__ {
#     block ~
#   }
#   work { builtins.len }
#   contextlib:_GeneratorContextManager.__exit__ { ^block }
#   contextlib:contextmanager.<locals>.helper
#   contextlib:_GeneratorContextManager.__enter__ {
#     block ~
#   }
#   contextlib:_GeneratorContextManager.__exit__ {
#     ^!KeyError block { builtins.abs }
#   }
#   contextlib:contextmanager.<locals>.helper
#   contextlib:_GeneratorContextManager.__enter__ {
#     block ~
#   }
#   contextlib:_GeneratorContextManager.__exit__ {
#     ^!OSError block !OSError
#   }
# }
