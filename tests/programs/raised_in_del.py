"""An exception in __del__ ends __del__ and nothing else."""
import sys


class Thing:
    def __del__(self):
        raise ValueError


def make():
    Thing()
    abs(1)


sys.unraisablehook = lambda unraisable: None
make()

# expect:
# <module> {
#   builtins.__build_class__ { Thing }
#   make { Thing.__del__ !ValueError <lambda> builtins.abs }
# }
