"""StopIteration raised in a generator leaves it as RuntimeError."""


def numbers():
    yield 1
    raise StopIteration


try:
    for _ in numbers():
        pass
except RuntimeError:
    pass

# expect:
# <module> {
#   numbers ~
#   @<3.12 ^numbers !StopIteration
#   @>=3.12 ^numbers !RuntimeError
# }
