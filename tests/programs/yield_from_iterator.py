"""A delegation to something that is no generator."""


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        self.n -= 1
        if self.n < 0:
            raise StopIteration
        return self.n


def outer():
    yield from Countdown(1)
    yield from "a"


list(outer())

# expect:
# <module> {
#   builtins.__build_class__ { Countdown }
#   outer ~ {
#     Countdown.__init__
#     Countdown.__iter__
#     Countdown.__next__
#   }
#   ^outer ~ { Countdown.__next__ !StopIteration }
#   ^outer
# }
