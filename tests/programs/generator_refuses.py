"""A generator that yields in answer to close() is resumed and suspends again."""


def refuses():
    try:
        yield 1
    except GeneratorExit:
        yield 2


generator = refuses()
next(generator)
try:
    generator.close()
except RuntimeError:
    pass
next(generator, None)

# expect:
# <module> {
#   builtins.next { refuses ~ }
#   generator.close !? { ^!GeneratorExit refuses ~ }
#   builtins.next { ^refuses }
# }
