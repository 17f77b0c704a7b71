"""One task on an event loop: its parts hang on the program's call of the loop."""
import asyncio


async def step(n):
    await asyncio.sleep(0)
    return abs(n)


async def main():
    await step(1)
    len("x")


asyncio.run(main())

# expect:
# <module> {
#   asyncio.runners:run {
#     main ~ { step ~ { asyncio.tasks:sleep ~ } }
#     ^main {
#       ^step { ^asyncio.tasks:sleep builtins.abs }
#       builtins.len
#     }
#   }
# }
