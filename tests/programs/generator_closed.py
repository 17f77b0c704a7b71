"""close() throws GeneratorExit, which the generator may answer."""


def answers():
    try:
        yield 1
    finally:
        abs(1)


def swallows():
    try:
        yield 1
    except GeneratorExit:
        return


for function in answers, swallows:
    generator = function()
    next(generator)
    generator.close()

# expect:
# <module> {
#   builtins.next { answers ~ }
#   generator.close {
#     ^!GeneratorExit answers !GeneratorExit { builtins.abs }
#   }
#   builtins.next { swallows ~ }
#   generator.close { ^!GeneratorExit swallows }
# }
