"""aclose() throws GeneratorExit into an asynchronous generator."""


async def numbers():
    try:
        yield 1
    finally:
        abs(1)


async def consume():
    generator = numbers()
    await generator.__anext__()
    await generator.aclose()


try:
    consume().send(None)
except StopIteration:
    pass

# expect:
# <module> {
#   coroutine.send !? {
#     consume {
#       numbers ~
#       async_generator.aclose
#       ^!GeneratorExit numbers !GeneratorExit { builtins.abs }
#     }
#   }
# }
