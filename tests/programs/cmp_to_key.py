"""A comparison in Python is called for each comparison that C makes."""
import functools


def compare(a, b):
    return a - b


sorted([2, 1], key=functools.cmp_to_key(compare))

# expect:
# <module> {
#   _functools.cmp_to_key
#   builtins.sorted { compare }
# }
