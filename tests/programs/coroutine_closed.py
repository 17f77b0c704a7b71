"""A coroutine closed while it waits ends by GeneratorExit, innermost first."""


class Pause:
    def __await__(self):
        yield 1


async def inner():
    try:
        await Pause()
    finally:
        abs(1)


async def outer():
    await inner()


c = outer()
c.send(None)
c.close()

# expect:
# <module> {
#   builtins.__build_class__ { Pause }
#   coroutine.send {
#     outer ~ { inner ~ { Pause.__await__ ~ } }
#   }
#   coroutine.close {
#     @!=3.13 ^!GeneratorExit Pause.__await__ !GeneratorExit
#     ^!GeneratorExit inner !GeneratorExit { builtins.abs }
#     ^!GeneratorExit outer !GeneratorExit
#   }
# }
