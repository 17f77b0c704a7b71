"""Beyond the deepest level nothing is recorded, also of functions that are open above."""


def f(n):
    if n:
        any(map(f, [n - 1]))
        any(map(f, [n - 1]))


f(4)

# options: --max-depth 4
# expect:
# <module> { f { builtins.any x2 { f } } }
