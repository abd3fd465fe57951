"""MapEval-Textual put to a model, without bringing it into a project: replies go to a file as they come."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from annotator.datasets.native import NativeItem
from annotator.errors import StorageError, UpstreamError
from annotator.evaluate.config import RunConfig
from annotator.evaluate.conversation import Asks
from annotator.evaluate.prompts import prompt_of, template_for
from annotator.evaluate.replies import ReplyError


async def ask_all(
    client: Asks,
    model: str,
    items: Sequence[NativeItem],
    config: RunConfig,
    path: Path,
    on_reply: Callable[[int], None] = lambda num: None,
) -> dict[str, str]:
    """Asks every question that the file has no reply to, and appends each reply as a line when it is there.

    A question that fails is left for the next call; the file holds nothing about it.

    Args:
        items: those to ask.
        config: mode, decoding, concurrency, and after how many failures in a row nobody is there.
        path: of JSON lines `{"id", "reply"}`, as `read_replies` takes them.
        on_reply: told how many replies have come.

    Returns:
        Why questions failed, by id.

    Raises:
        UpstreamError: nobody is there; what was answered stays.
        StorageError: the file cannot be written.
    """
    template = template_for(config.mode)
    left = iter(items)
    failed: dict[str, str] = {}
    in_a_row = num = 0

    async def work() -> None:
        nonlocal in_a_row, num
        for item in left:
            try:
                reply = await client.ask(model, prompt_of(item, config, template).messages)
            except ReplyError as failure:
                failed[item.id] = failure.message
                # A prompt that is too long says nothing about whether anybody is there.
                in_a_row += failure.is_down
                if failure.is_fatal or in_a_row >= config.max_failures:
                    raise UpstreamError(f"{failure.message}; ask again to go on where this ended") from None
                continue
            in_a_row = 0
            num += 1
            _append(path, {"id": item.id, "reply": reply.content})
            on_reply(num)

    workers = [asyncio.create_task(work()) for _ in range(min(config.concurrency, max(1, len(items))))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return failed


def _append(path: Path, row: Mapping[str, str]) -> None:
    # A reply may hold half a surrogate pair, which no file in UTF-8 does.
    line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")
    try:
        with path.open("ab") as file:
            file.write(line + b"\n")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
