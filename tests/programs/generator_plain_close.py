"""A generator without a handler is closed; whether its code runs is the version's."""


def plain():
    yield 1
    yield 2


generator = plain()
next(generator)
generator.close()
len("x")

# expect:
# <module> {
#   builtins.next { plain ~ }
#   generator.close {
#     @!=3.13 ^!GeneratorExit plain !GeneratorExit
#   }
#   builtins.len
# }
