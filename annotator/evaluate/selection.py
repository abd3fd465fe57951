"""Which questions of a frozen dataset a run asks: the same for the same dataset and configuration, at any time."""

import json
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection

from annotator.cache.blobs import get_blob
from annotator.cache.json_text import sha256_hex
from annotator.datasets.items import lines
from annotator.datasets.native import NativeItem, read_line
from annotator.datasets.snapshots import Snapshot, manifest_bytes
from annotator.errors import ConflictError, TamperedError
from annotator.evaluate.config import RunConfig
from annotator.evaluate.prompts import reason_against


@dataclass(frozen=True, slots=True)
class Chosen:
    """A question to ask.

    Args:
        ordinal: in the dataset, from 0.
        item_sha: of its frozen line.
    """

    ordinal: int
    question_id: str
    item_sha: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The questions to ask, in the dataset's order.

    Args:
        left_out: reason to number of questions that fit and still cannot be asked.
    """

    chosen: tuple[Chosen, ...]
    left_out: dict[str, int]


def select_items(connection: Connection, snapshot: Snapshot, config: RunConfig) -> Selection:
    """The questions of a run.

    Raises:
        ConflictError: there are none; says why.
        TamperedError: something is not what was frozen.
    """
    shas = [entry["item_sha"] for entry in json.loads(manifest_bytes(connection, snapshot))["items"]]
    found: list[Chosen] = []
    left_out: Counter[str] = Counter()
    for ordinal, (sha, line) in enumerate(zip(shas, lines(connection, snapshot), strict=True)):
        item = read_line(line)
        if not _fits(item, config):
            continue
        if reason := reason_against(item, config.mode):
            left_out[reason] += 1
        else:
            found.append(Chosen(ordinal, item.id, sha))
    if not found:
        why = "; ".join(f"{reason} ({n})" for reason, n in left_out.items()) or "none fits the filters"
        raise ConflictError(f"no question of this dataset can be asked so: {why}")
    if config.limit is not None:
        # By hash and not the first ones, which are about few contexts; a longer sample holds a shorter one.
        found.sort(key=lambda one: sha256_hex(f"{config.sample_seed}:{one.question_id}".encode()))
        found = sorted(found[: config.limit], key=lambda one: one.ordinal)
    return Selection(tuple(found), dict(left_out))


def load_item(connection: Connection, sha: str) -> NativeItem:
    """A frozen question.

    Raises:
        TamperedError: it is missing, or is not what was frozen.
    """
    content = get_blob(connection, sha)
    if content is None:
        raise TamperedError(f"the frozen question {sha} is missing from the database")
    return read_line(content.body)


def _fits(item: NativeItem, config: RunConfig) -> bool:
    return (
        (not config.categories or item.category in config.categories)
        and (not config.types or item.type in config.types)
        and (not config.splits or item.split in config.splits)
    )
