"""Two tasks take turns; each keeps its own parts."""
import asyncio


async def work(n):
    for _ in range(n):
        await asyncio.sleep(0)


async def main():
    await asyncio.gather(work(1), work(2))


asyncio.run(main())

# expect:
# <module> {
#   asyncio.runners:run {
#     main ~ { asyncio.tasks:gather }
#     work ~ x2 { asyncio.tasks:sleep ~ }
#     ^work { ^asyncio.tasks:sleep }
#     ^work ~ { ^asyncio.tasks:sleep asyncio.tasks:sleep ~ }
#     ^work { ^asyncio.tasks:sleep }
#     ^main
#   }
# }
