"""asyncio: producers and consumers around a queue, and a task for every order."""

from __future__ import annotations

import asyncio

from harness import run

PRODUCERS = 4
CONSUMERS = 3
ORDERS = 25


async def produce(orders: asyncio.Queue[int | None], first: int) -> None:
    for number in range(first, first + ORDERS):
        await orders.put(number)
        if number % 5 == 0:
            await asyncio.sleep(0)


async def consume(orders: asyncio.Queue[int | None], desk: asyncio.Semaphore) -> int:
    done = 0
    while (number := await orders.get()) is not None:
        async with desk:
            done += await asyncio.create_task(cook(number))
    return done


async def cook(number: int) -> int:
    for _ in range(number % 3):
        await asyncio.sleep(0)
    return number


async def day() -> int:
    """One round: every order is put, taken and cooked."""
    orders: asyncio.Queue[int | None] = asyncio.Queue(maxsize=8)
    desk = asyncio.Semaphore(2)
    consumers = [asyncio.create_task(consume(orders, desk)) for _ in range(CONSUMERS)]
    await asyncio.gather(*(produce(orders, i * ORDERS) for i in range(PRODUCERS)))
    for _ in consumers:
        await orders.put(None)
    return sum(await asyncio.gather(*consumers))


async def days(count: int) -> int:
    total = 0
    for _ in range(count):
        total += await day()
    return total


def main(rounds: int) -> int:
    return asyncio.run(days(rounds))


if __name__ == "__main__":
    run(main, rounds=500)
