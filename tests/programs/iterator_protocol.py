"""__iter__ and __next__ in Python, called by a loop, by types and by C functions."""


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n


for _ in Countdown(1):
    abs(1)
list(Countdown(1))
sum(Countdown(1))
a, = Countdown(1)
1 in Countdown(2)
next(iter(Countdown(1)))

# expect:
# <module> {
#   builtins.__build_class__ { Countdown }
#   Countdown.__init__
#   Countdown.__iter__
#   Countdown.__next__
#   builtins.abs
#   Countdown.__next__ !StopIteration
#   Countdown.__init__
#   Countdown.__iter__
#   Countdown.__next__
#   Countdown.__next__ !StopIteration
#   Countdown.__init__
#   builtins.sum {
#     Countdown.__iter__
#     Countdown.__next__
#     Countdown.__next__ !StopIteration
#   }
#   Countdown.__init__
#   Countdown.__iter__
#   Countdown.__next__
#   Countdown.__next__ !StopIteration
#   Countdown.__init__
#   Countdown.__iter__
#   Countdown.__next__
#   Countdown.__init__
#   builtins.iter { Countdown.__iter__ }
#   builtins.next { Countdown.__next__ }
# }
