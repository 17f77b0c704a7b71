"""A generator that is made and never resumed makes no call."""


def numbers():
    yield 1


numbers()
g = numbers()
g.close()
len("x")

# expect:
# <module> {
#   @<3.12 ^!GeneratorExit numbers !GeneratorExit
#   generator.close {
#     @<3.12 ^!GeneratorExit numbers !GeneratorExit
#   }
#   builtins.len
# }
