"""The page pool: one storage of equal pages, with reference counts and an O(1) free list.

Page 0 is the null page: never allocated, the target of padding rows and of dropped positions.
A page that no row holds is either blank (on a stack) or still carries a cached prefix (in an LRU order,
oldest first); blank pages go first.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch

from server.engine.upload import upload_together
from server.kv.formats import KVFormat

NULL_PAGE = 0


class PagePool:
    """Pages of `page_size` positions for the `slots` of one group.

    Args:
        num_pages: pages in the pool, the null page included.
        fmt: how K and V are stored.
        on_evict: called with a page id before a cached page is handed out again.

    Attributes:
        storage: [2, num_pages, page_size, slots, stored_dim]; [0] holds K, [1] holds V.
        params: float16 [2, num_pages, page_size, slots, 2], each head's (scale, zero), of a quantised format, else
            None. Pages that were never written read as zeros.

    Raises:
        ConfigError: heads of this size cannot be stored in this format.
    """

    def __init__(
        self,
        num_pages: int,
        page_size: int,
        slots: int,
        head_dim: int,
        fmt: KVFormat,
        device: torch.device,
        on_evict: Callable[[int], None] | None = None,
    ) -> None:
        if num_pages < 2:
            raise ValueError("a pool needs at least one page besides the null page")
        self.num_pages = num_pages
        self.page_size = page_size
        self.fmt = fmt
        shape = (2, num_pages, page_size, slots)
        self.storage = torch.zeros(*shape, fmt.stored_dim(head_dim), dtype=fmt.dtype, device=device)
        self.params = torch.zeros(*shape, 2, dtype=torch.float16, device=device) if fmt.is_quantized else None
        self.on_evict = on_evict
        self.num_references = 0
        """References held on all pages."""
        self._refs = np.zeros(num_pages, dtype=np.int32)
        # A stack, so that hot pages are reused first; reversed, so that page 1 goes first.
        self._blank = np.arange(num_pages - 1, -1, -1, dtype=np.int32)
        self._num_blank = num_pages - 1
        self._cached: OrderedDict[int, None] = OrderedDict()
        self._is_cached = np.zeros(num_pages, dtype=np.bool_)

    @property
    def capacity(self) -> int:
        """Pages that can be allocated: all but the null page."""
        return self.num_pages - 1

    @property
    def num_free(self) -> int:
        """Pages that no row holds, cached ones included."""
        return self._num_blank + len(self._cached)

    @property
    def num_cached(self) -> int:
        """Pages that no row holds but that carry a cached prefix."""
        return len(self._cached)

    @property
    def page_bytes(self) -> int:
        """Bytes of one page: K and V, with their scales."""
        return sum(part[:, 0].numel() * part.element_size() for part in self._parts)

    @property
    def _parts(self) -> list[torch.Tensor]:
        # As bytes: not every device indexes float8.
        return [self.storage] if self.params is None else [self.storage.view(torch.uint8), self.params]

    def allocate(self, count: int) -> list[int]:
        """Hand out `count` pages with one reference each. The caller has checked `num_free`."""
        num_taken = min(count, self._num_blank)
        self._num_blank -= num_taken
        taken: list[int] = self._blank[self._num_blank : self._num_blank + num_taken].tolist()
        while len(taken) < count:
            page, _ = self._cached.popitem(last=False)
            self._is_cached[page] = False
            if self.on_evict is not None:
                self.on_evict(page)
            taken.append(page)
        self._refs[taken] = 1
        self.num_references += count
        return taken

    def acquire(self, pages: Sequence[int] | np.ndarray) -> None:
        """Add a reference to each page, taking it off the free list if it was there; no page stands twice."""
        held = _without_null(pages)
        for page in held[self._refs[held] == 0].tolist():
            del self._cached[page]
        self._refs[held] += 1
        self.num_references += held.size

    def free(self, pages: Sequence[int] | np.ndarray) -> None:
        """Drop a reference of each page; no page stands twice. Cached pages are lost in the order given here."""
        held = _without_null(pages)
        self._refs[held] -= 1
        self.num_references -= held.size
        released = held[self._refs[held] == 0]
        is_cached = self._is_cached[released]
        self._cached.update(dict.fromkeys(released[is_cached].tolist()))
        self._push(released[~is_cached])

    def _push(self, pages: np.ndarray) -> None:
        self._blank[self._num_blank : self._num_blank + pages.size] = pages
        self._num_blank += pages.size

    def refs(self, page: int) -> int:
        return int(self._refs[page])

    def num_unheld(self, pages: np.ndarray) -> int:
        """How many of these pages, null pages aside, no row holds."""
        held = _without_null(pages)
        return int(np.count_nonzero(self._refs[held] == 0))

    def mark_cached(self, page: int) -> None:
        """The page carries a cached prefix: keep its content when its last reference goes."""
        self._is_cached[page] = True

    def forget(self, page: int) -> None:
        """The page's content is of no more use to the prefix cache."""
        if not self._is_cached[page]:
            return
        self._is_cached[page] = False
        if self._refs[page] == 0:
            del self._cached[page]
            self._push(np.array([page]))

    def copy(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Copy whole pages, in stream order with the steps around it."""
        pages = [np.array(sources, dtype=np.int64), np.array(targets, dtype=np.int64)]
        source, target = upload_together(pages, self.storage.device)
        for part in self._parts:
            part[:, target] = part[:, source]


def _without_null(pages: Sequence[int] | np.ndarray) -> np.ndarray:
    array = np.asarray(pages, dtype=np.int32)
    return array[array != NULL_PAGE]
