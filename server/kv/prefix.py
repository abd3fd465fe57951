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

    def match(self, chain: Sequence[bytes], retentions: Sequence[Retention]) -> np.ndarray:
        """Pages of the longest usable run of leading blocks, int32 [blocks, groups].

        A group that keeps all needs every block; one with a window needs its sinks and what the first
        query after the run can see. Entries that a group does not need are the null page.
        """
        full_groups = [group for group, retention in enumerate(retentions) if retention.keeps_all]
        nothing = [NULL_PAGE] * self._num_groups
        found: list[list[int]] = []
        for key in chain:
            block = self._blocks.get(key, nothing)
            if full_groups and any(block[group] == NULL_PAGE for group in full_groups):
                break
            found.append(block)
        pages = np.array(found, dtype=np.int32).reshape(-1, self._num_groups)
        if not found or len(full_groups) == self._num_groups:
            return pages
        first, ends = self._needed(len(found), retentions)
        indices = np.arange(len(found))[:, None]
        is_missing = pages == NULL_PAGE
        # A run of n blocks is whole where nothing is missing from the window's beginning to n, nor among the sinks.
        last_missing = np.maximum.accumulate(np.where(is_missing, indices, -1))
        first_missing = np.where(is_missing, indices, len(found)).min(0, initial=len(found))
        is_whole = (last_missing < np.maximum(ends, first)) & (first_missing >= np.minimum(first, indices + 1))
        whole = np.flatnonzero(is_whole.all(1))
        length = int(whole[-1]) + 1 if whole.size else 0
        indices = indices[:length]
        return np.where((indices < first) | (indices >= ends[length - 1 : length]), pages[:length], NULL_PAGE)

    def _needed(self, num_blocks: int, retentions: Sequence[Retention]) -> tuple[np.ndarray, np.ndarray]:
        """Blocks that runs of 1, 2, ... blocks need: those before the first number, and those from the second on.

        Returns:
            int64 [groups] and int64 [num_blocks, groups].
        """
        page_size = self._pool.page_size
        columns = np.array([[r.sinks, r.recent, r.since] for r in retentions], dtype=np.int64)
        sinks, recent, since = columns.T
        starts = np.minimum(np.arange(1, num_blocks + 1)[:, None] * page_size - recent + 1, since)
        return -(-sinks // page_size), np.maximum(starts, 0) // page_size

    def publish(self, key: bytes, pages: Sequence[int]) -> None:
        """Offer a computed block. Groups that already have it keep the page they have."""
        block = self._blocks.setdefault(key, [NULL_PAGE] * self._num_groups)
        for group, page in enumerate(pages):
            if page != NULL_PAGE and block[group] == NULL_PAGE:
                block[group] = page
                self._owner[page] = (key, group)
                self._pool.mark_cached(page)

    def withdraw(self, key: bytes, pages: Sequence[int] | None = None) -> None:
        """Take back those of `pages` that were published under `key`: their content proved wrong.

        All of them by default: a row that let go of some in the meantime cannot name them.
        """
        for page in list(self._blocks.get(key, ())) if pages is None else pages:
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
