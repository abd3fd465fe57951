"""The page pool: one storage of equal pages, with reference counts and an O(1) free list.

Page 0 is the null page: never allocated, the target of padding rows and of dropped positions.
A page that no row holds is either blank (on a stack) or still carries a cached prefix (in an LRU order,
oldest first); blank pages go first.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch

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
        self._refs = [0] * num_pages
        # A stack, so that hot pages are reused first; reversed, so that page 1 goes first.
        self._blank = list(range(num_pages - 1, 0, -1))
        self._cached: OrderedDict[int, None] = OrderedDict()
        self._is_cached = bytearray(num_pages)

    @property
    def capacity(self) -> int:
        """Pages that can be allocated: all but the null page."""
        return self.num_pages - 1

    @property
    def num_free(self) -> int:
        """Pages that no row holds, cached ones included."""
        return len(self._blank) + len(self._cached)

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
        return [self.storage] if self.params is None else [self.storage, self.params]

    def allocate(self, count: int) -> list[int]:
        """Hand out `count` pages with one reference each. The caller has checked `num_free`."""
        blank = self._blank
        taken = blank[-count:] if count else []
        del blank[len(blank) - len(taken) :]
        while len(taken) < count:
            page, _ = self._cached.popitem(last=False)
            self._is_cached[page] = 0
            if self.on_evict is not None:
                self.on_evict(page)
            taken.append(page)
        refs = self._refs
        for page in taken:
            refs[page] = 1
        return taken

    def acquire(self, pages: Sequence[int]) -> None:
        """Add a reference to each page, taking it off the free list if it was there."""
        refs = self._refs
        for page in pages:
            if page == NULL_PAGE:
                continue
            if refs[page] == 0:
                del self._cached[page]
            refs[page] += 1

    def free(self, pages: Sequence[int]) -> None:
        """Drop a reference of each page; those listed first are reused first."""
        refs = self._refs
        for page in pages:
            if page == NULL_PAGE:
                continue
            refs[page] -= 1
            if refs[page] == 0:
                if self._is_cached[page]:
                    self._cached[page] = None
                else:
                    self._blank.append(page)

    def refs(self, page: int) -> int:
        return self._refs[page]

    @property
    def num_references(self) -> int:
        """References held on all pages."""
        return sum(self._refs)

    def mark_cached(self, page: int) -> None:
        """The page carries a cached prefix: keep its content when its last reference goes."""
        self._is_cached[page] = 1

    def forget(self, page: int) -> None:
        """The page's content is of no more use to the prefix cache."""
        if not self._is_cached[page]:
            return
        self._is_cached[page] = 0
        if self._refs[page] == 0:
            del self._cached[page]
            self._blank.append(page)

    def copy(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Copy whole pages, in stream order with the steps around it."""
        device = self.storage.device
        source = torch.tensor(sources, dtype=torch.int64, device=device)
        target = torch.tensor(targets, dtype=torch.int64, device=device)
        for part in self._parts:
            part[:, target] = part[:, source]
