"""__exit__ may end by an exception of its own, which then is the function's."""


class Block:
    def __enter__(self):
        pass

    def __exit__(self, *args):
        raise OSError


def work():
    with Block():
        raise ValueError


try:
    work()
except OSError:
    pass

# expect:
# <module> {
#   builtins.__build_class__ { Block }
#   work !OSError {
#     Block.__enter__
#     Block.__exit__ !OSError
#   }
# }
