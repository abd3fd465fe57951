"""A context's three renderings, and what stands in their place where terms let only place ids out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from annotator.cache.json_text import canonical, sha256_hex
from annotator.cache.stored_results import StoredResult
from annotator.contexts.model import ContextContent
from annotator.contexts.render import TEMPLATE_VERSION, render_all

__all__ = ["TEMPLATE_VERSION", "Renders", "ids_only_renders", "renders_of"]


@dataclass(frozen=True)
class Renders:
    """The bytes of each format; their sha256 names them."""

    text: bytes
    json: bytes
    markdown: bytes

    @cached_property
    def shas(self) -> tuple[str, str, str]:
        """Hashes of text, JSON and Markdown."""
        return sha256_hex(self.text), sha256_hex(self.json), sha256_hex(self.markdown)

    @cached_property
    def json_value(self) -> Any:
        """The JSON rendering as a value; nobody may change it."""
        return json.loads(self.json)

    def by_sha(self) -> dict[str, tuple[bytes, str]]:
        """Bytes and media type of each by its hash."""
        kinds = ("text/plain; charset=utf-8", "application/json", "text/markdown; charset=utf-8")
        return {
            sha: (body, kind)
            for sha, body, kind in zip(self.shas, (self.text, self.json, self.markdown), kinds, strict=True)
        }


def renders_of(content: ContextContent, results: Mapping[str, StoredResult]) -> Renders:
    """The renderings of a context from its results, always the same for the same ones."""
    made = render_all(content, results)
    return Renders(made["text"].text.encode(), made["json"].text.encode(), made["markdown"].text.encode())


def ids_only_renders(pids: Sequence[str]) -> Renders:
    """What a context comes to when only the ids of its places may leave."""
    return Renders(
        "".join(f"{pid}\n" for pid in pids).encode(),
        canonical({"place_ids": list(pids)}),
        "".join(f"- `{pid}`\n" for pid in pids).encode(),
    )
