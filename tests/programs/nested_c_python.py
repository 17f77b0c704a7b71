"""Python in C in Python in C, four deep."""


def inner(x):
    return abs(x)


def middle(x):
    return sorted([x], key=inner)[0]


def outer(x):
    return max([x, x], key=middle)


outer(-1)

# expect:
# <module> {
#   outer {
#     builtins.max {
#       middle x2 { builtins.sorted { inner { builtins.abs } } }
#     }
#   }
# }
