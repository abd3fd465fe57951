"""What of a provider's answers may be written down, as a table."""

import pytest

from annotator.cache.storing import Keep, storable
from annotator.maps.provider import Policy

KEEP, MONTH, MINUTE, NONE = Policy(), Policy("expire", 2_592_000), Policy("expire", 60), Policy("none")
FOR_EVER, TEN_MINUTES = Keep(None), Keep(600)


@pytest.mark.parametrize(
    ("policy", "status", "is_answer", "expected"),
    [
        (KEEP, 200, None, FOR_EVER),
        (KEEP, 204, None, FOR_EVER),
        (KEEP, 299, None, FOR_EVER),
        (KEEP, 404, None, TEN_MINUTES),
        (KEEP, 400, None, TEN_MINUTES),
        (KEEP, 422, None, TEN_MINUTES),
        (KEEP, 404, True, FOR_EVER),
        (KEEP, 200, False, TEN_MINUTES),
        (MONTH, 200, None, Keep(2_592_000)),
        (MONTH, 400, None, TEN_MINUTES),
        (MONTH, 404, True, Keep(2_592_000)),
        (MINUTE, 200, None, Keep(60)),
        (MINUTE, 404, None, Keep(60)),
        *((policy, status, None, None) for policy in (KEEP, MONTH) for status in (401, 403, 408, 425, 429)),
        *((policy, status, None, None) for policy in (KEEP, MONTH) for status in (500, 502, 503, 504, 529, 599)),
        *((KEEP, status, True, None) for status in (401, 403, 408, 425, 429, 500, 503)),
        *((KEEP, status, None, None) for status in (100, 199, 301, 302, 304, 307, 600, 0)),
        *((NONE, status, is_answer, None) for status in (200, 404, 500) for is_answer in (None, True, False)),
    ],
)
def test_terms_and_status_decide_what_is_kept_and_for_how_long(
    policy: Policy, status: int, is_answer: bool | None, expected: Keep | None
) -> None:
    assert storable(policy, status, is_answer=is_answer) == expected
