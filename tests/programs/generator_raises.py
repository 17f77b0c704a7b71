"""A generator may end by an exception in any of its parts."""


def numbers():
    yield 1
    raise ValueError


def consume():
    for _ in numbers():
        pass


try:
    consume()
except ValueError:
    pass

# expect:
# <module> {
#   consume !ValueError { numbers ~ ^numbers !ValueError }
# }
