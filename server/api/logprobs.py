"""Log probabilities in the shapes of completions, of chat, and of vLLM's prompt_logprobs."""

import math
from collections.abc import Sequence
from typing import Any

from server.engine.client import PositionLogprobs

LOWEST = -9999.0
"""JSON has no minus infinity."""

RESYNC_BYTES = 64

LogprobsDict = dict[str, list[Any]]


def finite(logprob: float) -> float:
    """A value that JSON can carry."""
    return max(LOWEST, logprob) if not math.isnan(logprob) else LOWEST


def _shown(text: str, token_id: int, as_ids: bool) -> str:
    return f"token_id:{token_id}" if as_ids else text


class TextOffsets:
    """Where each token begins in the returned text, in characters, over any number of pieces.

    It follows the text itself rather than adding up token lengths, which drifts with hidden special
    tokens, dropped leading spaces, and characters cut between tokens.
    """

    def __init__(self) -> None:
        self._start = 0

    def walk(self, text: str, raws: Sequence[bytes]) -> list[int]:
        """Offsets of the tokens with bytes `raws` that make up the next piece, `text`."""
        data = text.encode()
        position = num_chars = 0
        offsets = []
        for raw in raws:
            is_inside_char = position < len(data) and _is_continuation(data[position])
            offsets.append(self._start + num_chars - is_inside_char)
            end = _end_of(data, position, raw)
            num_chars += sum(not _is_continuation(byte) for byte in data[position:end])
            position = end
        self._start += len(text)
        return offsets


def _is_continuation(byte: int) -> bool:
    return byte & 0xC0 == 0x80


def _end_of(data: bytes, position: int, raw: bytes) -> int:
    """Where the token ends in `data`; `position` itself if the text does not show it."""
    for candidate in (raw, raw.lstrip(b" ")):
        if candidate and data.startswith(candidate, position):
            return position + len(candidate)
    found = data.find(raw, position, position + RESYNC_BYTES + len(raw)) if raw.strip() else -1
    return position if found < 0 else found + len(raw)


def completion_logprobs(
    entries: Sequence[PositionLogprobs | None],
    unscored: Sequence[str],
    offsets: Sequence[int],
    *,
    num_top: int,
    as_ids: bool,
) -> LogprobsDict:
    """The four parallel arrays of completions.

    Args:
        entries: one per token; None for a token without a score (the first of a prompt).
        unscored: texts of the tokens without a score, in order.
        num_top: 0 leaves `top_logprobs` entries empty but for the sampled token.
    """
    tokens: list[str] = []
    values: list[float | None] = []
    tops: list[dict[str, float] | None] = []
    rest = iter(unscored)
    for entry in entries:
        if entry is None:
            tokens.append(next(rest))
            values.append(None)
            tops.append(None)
            continue
        tokens.append(_shown(entry.text, entry.token_id, as_ids))
        values.append(finite(entry.logprob))
        tops.append(_top_dict(entry, num_top, as_ids))
    return {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": list(offsets)}


def _top_dict(entry: PositionLogprobs, num_top: int, as_ids: bool) -> dict[str, float]:
    """Text -> log probability, best first, the sampled token always among them.

    Different tokens may look the same, for instance two halves of characters. The sampled one, and then the
    likelier, keeps the plain text; the others are told by id.
    """
    candidates = [(_shown(text, token_id, as_ids), token_id, value) for text, _, token_id, value in entry.top[:num_top]]
    own = (_shown(entry.text, entry.token_id, as_ids), entry.token_id, entry.logprob)
    top = {own[0]: own[2]}
    for text, token_id, value in candidates:
        if token_id != entry.token_id:
            top[text if text not in top else f"token_id:{token_id}"] = value
    return {text: finite(value) for text, value in sorted(top.items(), key=lambda item: -item[1])}


def chat_logprobs(entries: Sequence[PositionLogprobs], *, num_top: int, as_ids: bool) -> dict[str, Any]:
    """Chat's `logprobs`, whose `top_logprobs` hold exactly the `num_top` likeliest tokens."""
    content = []
    for entry in entries:
        ranked = [(entry.text, entry.raw, entry.token_id, entry.logprob), *entry.top]
        ranked.sort(key=lambda item: -item[3])
        content.append(
            {
                "token": _shown(entry.text, entry.token_id, as_ids),
                "logprob": finite(entry.logprob),
                "bytes": list(entry.raw),
                "top_logprobs": [
                    {"token": _shown(text, token_id, as_ids), "logprob": finite(value), "bytes": list(raw)}
                    for text, raw, token_id, value in ranked[:num_top]
                ],
            }
        )
    return {"content": content, "refusal": None}


def prompt_logprobs(entries: Sequence[PositionLogprobs | None]) -> list[dict[str, dict[str, Any]] | None]:
    """vLLM's shape: per token, id -> {logprob, rank, decoded_token}; null for the first."""
    result: list[dict[str, dict[str, Any]] | None] = []
    for entry in entries:
        if entry is None:
            result.append(None)
            continue
        position = {
            str(entry.token_id): {
                "logprob": finite(entry.logprob), "rank": entry.rank, "decoded_token": entry.text
            }
        }  # fmt: skip
        others = [item for item in entry.top if item[2] != entry.token_id]
        for rank, (text, _, token_id, value) in enumerate(others, start=1):
            # The chosen token is not repeated in `top`, so those after it are one further down.
            shifted = rank + (rank >= entry.rank)
            position[str(token_id)] = {"logprob": finite(value), "rank": shifted, "decoded_token": text}
        result.append(position)
    return result
