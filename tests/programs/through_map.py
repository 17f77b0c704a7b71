"""A callback hangs on who called it: types that are called are no calls of C."""


def double(x):
    return x + x


def is_odd(x):
    return x % 2


def add(a, b):
    return a + b


from functools import reduce

list(map(double, [1, 2]))
list(filter(is_odd, [1, 2]))
sum(map(double, [1, 2]))
reduce(add, [1, 2, 3])
max([1, 2], key=double)

# expect:
# <module> {
#   double x2
#   is_odd x2
#   builtins.sum { double x2 }
#   _functools.reduce { add x2 }
#   builtins.max { double x2 }
# }
