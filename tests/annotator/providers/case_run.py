"""Judges one hand-written exchange: the answer is read as it was meant, or fails as it must."""

import pytest
from provider_case import Case

from annotator.maps.provider import Provider


def judge(provider: Provider, case: Case) -> None:
    """Feeds the answers to the provider as the client of maps does: an answer that is none never reaches `parse`."""
    params, responses = case.parsed_params(), case.responses()
    if not all(provider.is_answer(case.tool, response) for response in responses):
        assert case.kind == "error"
        assert responses[-1].status >= 400
        return
    if case.raises is not None:
        with pytest.raises(case.raises):
            provider.parse(case.tool, params, responses)
        return
    assert case.check is not None
    case.check(provider.parse(case.tool, params, responses))
    assert provider.build(case.tool, params, responses) == ()
