"""Six thousand calls inside each other, and out again."""
import sys

sys.setrecursionlimit(10_000)


def down(n):
    if n:
        down(n - 1)
    else:
        abs(1)


down(6_000)

# expect:
# <module> {
#   sys.setrecursionlimit
#   down >6001 { builtins.abs }
# }
