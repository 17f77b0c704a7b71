"""A with block calls __enter__ and __exit__, whichever way it is left."""


class Block:
    def __init__(self, swallow):
        self.swallow = swallow

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        return self.swallow


def work():
    pass


def fine():
    with Block(False):
        work()


def swallowed():
    with Block(True):
        raise ValueError


def returned():
    with Block(False), Block(False):
        return work()


def passed_on():
    with Block(False):
        raise ValueError


fine()
swallowed()
returned()
try:
    passed_on()
except ValueError:
    pass

# expect:
# <module> {
#   builtins.__build_class__ { Block }
#   fine {
#     Block.__init__
#     Block.__enter__
#     work
#     Block.__exit__
#   }
#   swallowed {
#     Block.__init__
#     Block.__enter__
#     Block.__exit__
#   }
#   returned {
#     Block.__init__
#     Block.__enter__
#     Block.__init__
#     Block.__enter__
#     work
#     Block.__exit__ x2
#   }
#   passed_on !ValueError {
#     Block.__init__
#     Block.__enter__
#     Block.__exit__
#   }
# }
