"""A C function called by a function that is left out does not end an outer call of it."""


def left_out():
    return sorted([2])


def key(x):
    return left_out()


def work():
    sorted([1, 2], key=key)


work()

# options: --exclude *:left_out
# expect:
# <module> {
#   work { builtins.sorted { key x2 } }
# }
