"""A generator that is dropped inside a try block still runs its finally."""


def numbers():
    try:
        yield 1
    finally:
        len("x")


def drop():
    generator = numbers()
    next(generator)
    del generator
    abs(1)


drop()

# expect:
# <module> {
#   drop {
#     builtins.next { numbers ~ }
#     ^!GeneratorExit numbers !GeneratorExit { builtins.len }
#     builtins.abs
#   }
# }
