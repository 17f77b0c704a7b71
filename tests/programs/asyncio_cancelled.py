"""A cancelled task ends by CancelledError, thrown in where it waited."""
import asyncio


async def sleeper():
    try:
        await asyncio.sleep(60)
    finally:
        abs(1)


async def main():
    task = asyncio.ensure_future(sleeper())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        len("x")


asyncio.run(main())

# expect:
# <module> {
#   asyncio.runners:run {
#     main ~ {
#       asyncio.tasks:ensure_future
#       asyncio.tasks:sleep ~
#     }
#     sleeper ~ { asyncio.tasks:sleep ~ }
#     ^main ~ { ^asyncio.tasks:sleep Task.cancel }
#     ^!asyncio.exceptions.CancelledError sleeper !asyncio.exceptions.CancelledError {
#       builtins.abs
#     }
#     ^!asyncio.exceptions.CancelledError main { builtins.len }
#   }
# }
