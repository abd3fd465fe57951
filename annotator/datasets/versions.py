"""Versions of snapshots: Semantic Versioning 2.0.0, and the least step that a difference asks for."""

import re
from dataclasses import dataclass
from functools import total_ordering

from annotator.errors import InputError

_SEMVER = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-((?:0|[1-9]\d{0,8}|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d{0,8}|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
)
MAX_CHARACTERS = 64


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version without build metadata; a pre-release comes before its release."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    def __str__(self) -> str:
        pre = f"-{'.'.join(self.pre)}" if self.pre else ""
        return f"{self.major}.{self.minor}.{self.patch}{pre}"

    def __lt__(self, other: "Version") -> bool:
        return self._key() < other._key()

    @property
    def release(self) -> tuple[int, int, int]:
        """Without the pre-release."""
        return self.major, self.minor, self.patch

    def _key(self) -> tuple[object, ...]:
        # Numbers come before words, and a longer list of equal beginning after a shorter one.
        pre = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return *self.release, not self.pre, pre


def parse_version(text: str) -> Version:
    """The version of a text such as `1.2.0` or `2.0.0-rc.1`.

    Raises:
        InputError: it is none.
    """
    found = _SEMVER.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if found is None:
        raise InputError(f"'{text[:80]}' is no version; write it like 1.0.0 or 1.1.0-rc.1", param="version")
    major, minor, patch, pre = found.groups()
    return Version(int(major), int(minor), int(patch), tuple(pre.split(".")) if pre else ())


def least_version(parent: Version, *, num_added: int, num_removed: int, num_changed: int) -> Version:
    """The least version after `parent` that tells the truth about what differs.

    Items removed or changed break whoever compares results: a new major version, or below 1.0.0 a new minor one. Items
    added alone are a minor version, nothing but words around the items a patch.
    """
    if num_removed or num_changed:
        wanted = Version(parent.major + 1, 0, 0) if parent.major else Version(0, parent.minor + 1, 0)
    elif num_added:
        wanted = Version(parent.major, parent.minor + 1, 0)
    else:
        wanted = Version(parent.major, parent.minor, parent.patch + 1)
    if parent.pre and wanted.release > parent.release:
        # What is still being prepared may become anything; only its own release is left to come.
        return Version(*parent.release)
    return wanted


def reason_against(version: Version, parent: Version, least: Version) -> str | None:
    """Why `version` cannot follow `parent`, in words; None when it can."""
    if version <= parent:
        return f"{version} does not come after {parent}, which is frozen already"
    if version.release < least.release:
        return f"what differs from {parent} needs version {least} or later, not {version}"
    return None
