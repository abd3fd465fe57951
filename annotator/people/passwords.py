"""Passwords: hashed with argon2id (RFC 9106), and refused when they would be among the first that anybody tries."""

import re
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from annotator.errors import InputError

MIN_LENGTH = 10
MAX_LENGTH = 1024
"""Characters; more is no safer and only costs time."""
_MIN_SIGNS = 5
"""Different characters that a password needs."""
_MIN_PART = 4
"""Length from which a password may not hold a name."""

_hasher = PasswordHasher()
# Each hash takes 64 MiB, so that only a few may be made at once.
_turns = threading.BoundedSemaphore(4)

_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop")
_LEET = str.maketrans("013457@$!|", "oleastasii")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right.

    Args:
        new_hash: to be stored instead, when the old one was made with other parameters than today's.
    """

    is_right: bool
    new_hash: str | None = None


def hash_password(password: str) -> str:
    """The text to store for a password."""
    with _turns:
        return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> Verdict:
    """Compares a password with what is stored, in the same time whether there is an account, a password, or neither.

    Args:
        stored: what `hash_password` gave; None where there is nothing to compare with.
    """
    if len(password) > MAX_LENGTH:
        password = ""
    with _turns:
        try:
            _hasher.verify(stored or _stand_in(), password)
        except (VerificationError, InvalidHashError):
            return Verdict(False)
    if stored is None:
        return Verdict(False)
    return Verdict(True, hash_password(password) if _hasher.check_needs_rehash(stored) else None)


def check_password(password: str, *names: str) -> None:
    """Refuses what is easily guessed.

    Args:
        names: what the account is called.

    Raises:
        InputError: says what would be better.
    """
    reason = _weakness(password, names)
    if reason:
        raise InputError(f"{reason}; a few unrelated words make a good password", param="password")


def _weakness(password: str, names: tuple[str, ...]) -> str:
    if len(password) < MIN_LENGTH:
        return f"a password needs at least {MIN_LENGTH} characters"
    if len(password) > MAX_LENGTH:
        return f"a password can have at most {MAX_LENGTH} characters"
    lowered = password.lower()
    plain = lowered.translate(_LEET)
    if len(set(lowered)) < _MIN_SIGNS:
        return f"this password uses fewer than {_MIN_SIGNS} different characters"
    for name in (*names, "mapqator"):
        if len(name) >= _MIN_PART and name.lower() in lowered:
            return f"this password contains '{name}'"
    letters = re.sub(r"[^a-z]+", "", plain)
    cores = {lowered, plain, letters, re.sub(r"^[^a-z]+|[^a-z]+$", "", lowered)}
    if any(core in common_passwords() or _is_repeated(core) or _is_row(core) for core in cores if core):
        return "this password is one of those that are tried first"
    return ""


@cache
def common_passwords() -> frozenset[str]:
    """Passwords, and words with digits or signs around them, that many people use."""
    text = (Path(__file__).parent / "common_passwords.txt").read_text()
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


@cache
def _stand_in() -> str:
    return _hasher.hash("nobody's password")


def _is_repeated(text: str) -> bool:
    """Whether the text is one short piece again and again."""
    return any(
        text[:size] in common_passwords() and (text[:size] * len(text))[: len(text)] == text
        for size in range(1, len(text) // 2 + 1)
    )


def _is_row(text: str) -> bool:
    """Whether the text follows the alphabet, the digits or a row of a keyboard, one way or the other, maybe twice."""
    return len(text) >= _MIN_PART and any(text in line * 3 or text[::-1] in line * 3 for line in _ROWS)
