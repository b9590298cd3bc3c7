"""`python -m benchmarks.stock.buyers`: buyers who hold stock with the product's code, each one hold after the other.

Given an address, a crowd, the first buyer's number, how many they are and for how many seconds, it says `ready`, waits
for a line, and prints how many holds there were and how many were refused.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from time import perf_counter

from benchmarks.stock.goods import BASKET, HOT, ORDERS_A_BUYER, OTHERS, PLENTY, Crowd, order_id
from db import inventory
from db.engine import Sessions, create_engine, create_sessions, single_statements

_TRIES = 8


async def buy(url: str, crowd: Crowd, first: int, buyers: int, seconds: float) -> Counter[str]:
    """Hold for as long as it is said, and count."""
    engine = create_engine(url, pool_size=buyers)
    done = Counter[str](held=0, refused=0)
    sessions = single_statements(create_sessions(engine))
    await asyncio.gather(*(_warm_up(sessions, crowd, buyer) for buyer in range(first, first + buyers)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    until = perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        for buyer in range(first, first + buyers):
            group.create_task(_hold(sessions, crowd, buyer, until, done))
    await engine.dispose()
    return done


async def _warm_up(sessions: Sessions, crowd: Crowd, buyer: int) -> None:
    """Ask for more than there is until PostgreSQL has settled on a plan: the connections of a product live long."""
    async with sessions() as session:
        for _ in range(_TRIES):
            too_much = [(sku, 2 * PLENTY) for sku, _ in _basket(crowd, random.Random(buyer))]
            await inventory.hold(session, order_id(buyer, 0), too_much)


async def _hold(sessions: Sessions, crowd: Crowd, buyer: int, until: float, done: Counter[str]) -> None:
    dice = random.Random(buyer)
    for number in range(ORDERS_A_BUYER):
        if perf_counter() > until:
            return
        async with sessions.begin() as session:
            short = await inventory.hold(session, order_id(buyer, number), _basket(crowd, dice))
        done["refused" if short else "held"] += 1


def _basket(crowd: Crowd, dice: random.Random) -> list[tuple[str, int]]:
    if crowd is Crowd.HOT:
        return [(HOT, 1)]
    return [(f"SKU-{number}", 1) for number in dice.sample(range(1, OTHERS + 1), BASKET)]


if __name__ == "__main__":
    address, wanted, begin, many, duration = sys.argv[1:]
    counted = asyncio.run(buy(address, Crowd[wanted], int(begin), int(many), float(duration)))
    print(json.dumps(counted))
