"""Generators that delegate to each other nest as calls do."""


def level(n):
    if n:
        yield from level(n - 1)
    yield n


list(level(2))

# expect:
# <module> {
#   level ~ { level ~ { level ~ } }
#   ^level ~ { ^level ~ { ^level } }
#   ^level ~ { ^level }
#   ^level
# }
