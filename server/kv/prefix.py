"""Prefix cache: pages of equal prompt beginnings, found by chained hashes.

A block is `page_size` consecutive positions over all groups. Its key hashes the parent block's key and
the block's token ids; the first parent is a seed of everything that changes KV. Groups that dropped the
block hold the null page there, so a hit is only as long as every group's retention can still see.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from server.kv.policy import Retention
from server.kv.pool import NULL_PAGE, PagePool


def prefix_seed(*identity: str) -> bytes:
    """Seed of a hash chain from all that changes KV: model, revision, dtypes, namespace, cache salt."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in identity:
        # Length first, so that no two identities share one concatenation.
        encoded = part.encode()
        hasher.update(len(encoded).to_bytes(8, "little"))
        hasher.update(encoded)
    return hasher.digest()


def extend_chain(chain: list[bytes], seed: bytes, token_ids: Sequence[int], page_size: int) -> None:
    """Append to `chain` the keys of all full blocks of `token_ids` that it lacks."""
    start, stop = len(chain), len(token_ids) // page_size
    tokens = np.asarray(token_ids[start * page_size : stop * page_size], dtype="<i4").tobytes()
    block_bytes = 4 * page_size
    parent = chain[-1] if chain else seed
    for offset in range(0, len(tokens), block_bytes):
        parent = hashlib.blake2b(parent + tokens[offset : offset + block_bytes], digest_size=16).digest()
        chain.append(parent)


class PrefixCache:
    """Maps block keys to pages; the pool tells it when a page's content is about to be lost."""

    def __init__(self, pool: PagePool, num_groups: int) -> None:
        self._pool = pool
        self._num_groups = num_groups
        self._blocks: dict[bytes, list[int]] = {}
        self._owner: dict[int, tuple[bytes, int]] = {}
        pool.on_evict = self._forget_page

    def match(self, chain: Sequence[bytes], retentions: Sequence[Retention]) -> list[list[int]]:
        """Pages of the longest usable run of leading blocks, [blocks][groups].

        A group that keeps all needs every block; one with a window needs its sinks and what the first
        query after the run can see. Entries that a group does not need are the null page.
        """
        page_size = self._pool.page_size
        full_groups = [group for group, retention in enumerate(retentions) if retention.keeps_all]
        found: list[list[int] | None] = []
        for key in chain:
            block = self._blocks.get(key)
            if full_groups and (block is None or any(block[group] == NULL_PAGE for group in full_groups)):
                break
            found.append(block)
        windows = [(group, retention) for group, retention in enumerate(retentions) if not retention.keeps_all]
        for length in range(len(found), 0, -1):
            if all(self._covers(found, length, group, retention) for group, retention in windows):
                return [self._needed(found[b], b, length, retentions, page_size) for b in range(length)]
        return []

    def _covers(self, found: list[list[int] | None], length: int, group: int, retention: Retention) -> bool:
        page_size = self._pool.page_size
        sinks_end = min(retention.first_droppable(page_size), length)
        recent_start = max(sinks_end, retention.end_droppable(length * page_size, page_size))
        for block_index in (*range(sinks_end), *range(recent_start, length)):
            block = found[block_index]
            if block is None or block[group] == NULL_PAGE:
                return False
        return True

    def _needed(
        self, block: list[int] | None, index: int, length: int, retentions: Sequence[Retention], page_size: int
    ) -> list[int]:
        if block is None:
            return [NULL_PAGE] * self._num_groups
        return [
            page
            if index < retention.first_droppable(page_size)
            or index >= retention.end_droppable(length * page_size, page_size)
            else NULL_PAGE
            for page, retention in zip(block, retentions, strict=True)
        ]

    def publish(self, key: bytes, pages: Sequence[int]) -> None:
        """Offer a computed block. Groups that already have it keep the page they have."""
        block = self._blocks.setdefault(key, [NULL_PAGE] * self._num_groups)
        for group, page in enumerate(pages):
            if page != NULL_PAGE and block[group] == NULL_PAGE:
                block[group] = page
                self._owner[page] = (key, group)
                self._pool.mark_cached(page)

    def withdraw(self, key: bytes, pages: Sequence[int]) -> None:
        """Take back those of `pages` that were published under `key`: their content proved wrong."""
        for page in pages:
            if self._owner.get(page, (None, 0))[0] == key:
                self._forget_page(page)
                self._pool.forget(page)

    def reset(self) -> None:
        """Forget everything; pages that rows hold stay theirs."""
        for page in list(self._owner):
            self._pool.forget(page)
        self._blocks.clear()
        self._owner.clear()

    def _forget_page(self, page: int) -> None:
        key, group = self._owner.pop(page)
        block = self._blocks[key]
        block[group] = NULL_PAGE
        if not any(block):
            del self._blocks[key]

    def __len__(self) -> int:
        return len(self._blocks)
