"""What of a provider's answers may be written down, and for how long: its terms, and what its status means."""

from dataclasses import dataclass

from annotator.maps.provider import Policy

ERROR_TTL_S = 600
"""A refusal is remembered for ten minutes: long enough to spare the provider, short enough to be put right."""

_NEVER = frozenset({401, 403, 408, 425, 429})
"""Answers about us and the moment, not about the question."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave to store.

    Args:
        ttl_s: seconds until it ends; None is for ever.
    """

    ttl_s: int | None


def storable(policy: Policy, status: int, *, is_answer: bool | None = None) -> Keep | None:
    """Whether a response may be recorded, and for how long; None when it must not be.

    Args:
        is_answer: whether the provider's adapter reads it; by default a 2xx. A 4xx that says "no such place" is one.
    """
    if is_answer is None:
        is_answer = 200 <= status < 300
    if policy.storage == "none" or status in _NEVER or not (200 <= status < 300 or 400 <= status < 500):
        return None
    ttl_s = policy.ttl_s if policy.storage == "expire" else None
    if is_answer:
        return Keep(ttl_s)
    return Keep(ERROR_TTL_S if ttl_s is None else min(ERROR_TTL_S, ttl_s))
