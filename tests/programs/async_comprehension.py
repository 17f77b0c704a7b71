"""A comprehension over an asynchronous generator (a frame of its own on 3.11)."""


async def numbers():
    yield 1
    yield 2


async def consume():
    return [abs(n) async for n in numbers()]


try:
    consume().send(None)
except StopIteration:
    pass

# expect:
# <module> {
#   coroutine.send !? {
#     consume {
#       %<3.12 consume.<locals>.<listcomp> {
#         numbers ~
#         builtins.abs
#         ^numbers ~
#         builtins.abs
#         ^numbers
#       }
#     }
#   }
# }
