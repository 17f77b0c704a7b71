"""A cached function is called when the cache misses."""
import functools


@functools.lru_cache
def square(n):
    return n * n


square(1)
square(1)
square(2)
square.cache_clear()

# expect:
# <module> {
#   functools:lru_cache
#   square x2
#   _lru_cache_wrapper.cache_clear
# }
