"""Batches: who is answered together, who waits, and what a failure costs."""

import asyncio
import threading
import time

import pytest

from serving.batching import Batcher, QueueFullError


class Model:
    """Doubles what it is given, when it is let; remembers its batches."""

    def __init__(self, held=False):
        self.batches, self.free = [], threading.Event()
        if not held:
            self.free.set()

    def __call__(self, rows):
        self.batches.append(list(rows))
        assert self.free.wait(10)
        if "bad" in rows:
            raise ValueError("it fails")
        return [row * 2 for row in rows]


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_what_waits_is_asked_for_at_once_and_everyone_gets_his_own():
    async def play():
        model = Model(held=True)
        batcher = Batcher(model, max_rows=8)
        first = asyncio.create_task(batcher.ask([1]))
        await until(lambda: model.batches)
        others = [asyncio.create_task(batcher.ask([n, n + 1])) for n in (10, 20, 30)]
        await until(lambda: batcher.waiting == 6)
        model.free.set()
        assert await first == [2]
        assert await asyncio.gather(*others) == [[20, 22], [40, 42], [60, 62]]
        assert model.batches == [[1], [10, 11, 20, 21, 30, 31]]
        assert batcher.waiting == 0

    asyncio.run(play())


def test_a_batch_has_a_bound_and_a_larger_request_is_one_of_its_own():
    async def play():
        model = Model(held=True)
        batcher = Batcher(model, max_rows=4, max_wait_s=0)
        asked = [asyncio.create_task(batcher.ask([0]))]
        await until(lambda: model.batches)
        asked += [
            asyncio.create_task(batcher.ask([n] * count)) for n, count in ((1, 3), (2, 2), (3, 9))
        ]
        await until(lambda: batcher.waiting == 14)
        model.free.set()
        assert [len(each) for each in await asyncio.gather(*asked)] == [1, 3, 2, 9]
        assert [len(each) for each in model.batches] == [1, 3, 2, 9]

    asyncio.run(play())


def test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_empty():
    async def play():
        model = Model(held=True)
        batcher = Batcher(model, max_rows=1, max_queue=2)
        asked = [asyncio.create_task(batcher.ask([0]))]
        await until(lambda: model.batches)
        asked += [asyncio.create_task(batcher.ask([n])) for n in (1, 2)]
        await until(lambda: batcher.waiting == 2)
        with pytest.raises(QueueFullError, match="2 images wait"):
            await batcher.ask([3])
        model.free.set()
        await asyncio.gather(*asked)
        assert await batcher.ask([4]) == [8]

    asyncio.run(play())


def test_a_failure_is_told_to_those_of_its_batch_and_the_next_are_answered():
    async def play():
        batcher = Batcher(Model(), max_rows=4)
        with pytest.raises(ValueError, match="it fails"):
            await batcher.ask(["bad"])
        assert await batcher.ask([1]) == [2]

    asyncio.run(play())


def test_who_has_gone_costs_nothing():
    async def play():
        model = Model(held=True)
        batcher = Batcher(model, max_rows=4)
        first = asyncio.create_task(batcher.ask([1]))
        await until(lambda: model.batches)
        gone, stays = (asyncio.create_task(batcher.ask([n])) for n in (2, 3))
        await until(lambda: batcher.waiting == 2)
        gone.cancel()
        model.free.set()
        assert (await first, await stays) == ([2], [6])
        assert model.batches == [[1], [3]]

    asyncio.run(play())


def test_a_lone_request_does_not_wait_for_others():
    async def play():
        batcher = Batcher(Model(), max_rows=64, max_wait_s=5)
        await batcher.ask([0])
        started = time.perf_counter()
        await batcher.ask([1])
        assert time.perf_counter() - started < 1

    asyncio.run(play())


def test_under_load_a_batch_waits_for_others_until_it_is_full():
    async def play():
        model = Model(held=True)
        batcher = Batcher(model, max_rows=2, max_wait_s=60)
        asked = [asyncio.create_task(batcher.ask([0]))]
        await until(lambda: model.batches)
        asked += [asyncio.create_task(batcher.ask([n])) for n in (1, 2, 3)]
        await until(lambda: batcher.waiting == 3)
        model.free.set()
        await until(lambda: len(model.batches) == 2)
        await asyncio.sleep(0.05)
        assert model.batches == [[0], [1, 2]]
        asked.append(asyncio.create_task(batcher.ask([4])))
        await asyncio.wait_for(asyncio.gather(*asked), 10)
        assert model.batches == [[0], [1, 2], [3, 4]]

    asyncio.run(play())


def test_many_requests_of_many_sizes_all_get_their_own_rows():
    async def play():
        model = Model()
        batcher = Batcher(model, max_rows=7, max_wait_s=0.001, max_queue=10_000)
        sizes = [1 + n % 9 for n in range(500)]
        asked = [batcher.ask([n] * size) for n, size in enumerate(sizes)]
        for n, answer in enumerate(await asyncio.gather(*asked)):
            assert answer == [2 * n] * sizes[n]
        assert sum(map(len, model.batches)) == sum(sizes)
        assert all(len(batch) <= 7 or len(set(batch)) == 1 for batch in model.batches)

    asyncio.run(play())
