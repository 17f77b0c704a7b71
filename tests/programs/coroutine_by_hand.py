"""A coroutine driven by hand: each send is a part."""


class Pause:
    def __await__(self):
        yield 1


async def inner():
    await Pause()
    return abs(-1)


async def outer():
    await inner()
    await Pause()


c = outer()
try:
    while True:
        c.send(None)
except StopIteration:
    pass

# expect:
# <module> {
#   builtins.__build_class__ { Pause }
#   coroutine.send {
#     outer ~ { inner ~ { Pause.__await__ ~ } }
#   }
#   coroutine.send {
#     ^outer ~ {
#       ^inner { ^Pause.__await__ builtins.abs }
#       Pause.__await__ ~
#     }
#   }
#   coroutine.send !? { ^outer { ^Pause.__await__ } }
# }
