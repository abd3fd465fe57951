"""Deltas that a sink takes and those that a reader reads are together all of them, each in its order."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.client import Delta
from server.engine.stream import Mailbox


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_nothing_is_lost_or_overtaken_whatever_the_sink_refuses(script: list[tuple[bool, bool]]) -> None:
    """Each delta comes with whether the sink takes it, and whether the loop runs before the next one."""

    async def run() -> list[str]:
        mailbox = Mailbox()
        seen: list[str] = []
        is_welcome = True

        def sink(delta: Delta) -> bool:
            if is_welcome:
                seen.append(delta.text)
            return is_welcome

        async def read() -> None:
            while (delta := await mailbox.get()) is not None:
                seen.append(delta.text)
                mailbox.sink = sink

        reader = asyncio.create_task(read())
        for index, (is_welcome, pauses) in enumerate(script):  # noqa: B007  (the sink reads it)
            mailbox.put(Delta(0, str(index), [index]))
            if pauses:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        mailbox.end()
        await reader
        return seen

    assert asyncio.run(run()) == [str(index) for index in range(len(script))]


async def test_a_sink_is_only_offered_what_a_reader_waits_for() -> None:
    mailbox = Mailbox()
    taken: list[str] = []
    mailbox.sink = lambda delta: not taken.append(delta.text)
    mailbox.put(Delta(0, "early", [1]))
    assert taken == []
    reader = asyncio.create_task(mailbox.get())
    await asyncio.sleep(0)
    assert reader.done()
    reader = asyncio.create_task(mailbox.get())
    await asyncio.sleep(0)
    mailbox.put(Delta(0, "late", [2]))
    assert taken == ["late"]
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    mailbox.put(Delta(0, "after", [3]))
    assert taken == ["late"]
    assert mailbox.num_unread == 1
