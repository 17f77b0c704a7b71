"""An asynchronous generator's parts run inside those of the coroutine it serves."""


class Pause:
    def __await__(self):
        yield 1


async def numbers():
    yield 1
    await Pause()
    yield 2


async def consume():
    async for n in numbers():
        abs(n)


c = consume()
try:
    while True:
        c.send(None)
except StopIteration:
    pass

# expect:
# <module> {
#   builtins.__build_class__ { Pause }
#   coroutine.send {
#     consume ~ {
#       numbers ~
#       builtins.abs
#       ^numbers ~ { Pause.__await__ ~ }
#     }
#   }
#   coroutine.send !? {
#     ^consume {
#       ^numbers ~ { ^Pause.__await__ }
#       builtins.abs
#       ^numbers
#     }
#   }
# }
