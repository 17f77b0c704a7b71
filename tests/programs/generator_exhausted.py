"""A generator's call has a part for each resume and ends by returning."""


def numbers():
    yield 1
    yield 2


for n in numbers():
    len("x")

# expect:
# <module> {
#   numbers ~
#   builtins.len
#   ^numbers ~
#   builtins.len
#   ^numbers
# }
