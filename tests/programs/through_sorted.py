"""An exception of a callback ends the C function that called it, too."""


def key(x):
    if x == 2:
        raise ValueError
    return x


def work():
    sorted([1, 2, 3], key=key)


try:
    work()
except ValueError:
    pass

# expect:
# <module> {
#   work !ValueError {
#     builtins.sorted !? { key key !ValueError }
#   }
# }
