"""An instance as a decorator: its __call__ is the wrapper."""


class Counted:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)


@Counted
def work():
    pass


work()

# expect:
# <module> {
#   builtins.__build_class__ { Counted }
#   Counted.__init__
#   Counted.__call__ { work }
# }
