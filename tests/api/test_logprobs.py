"""Log probabilities in the shapes clients expect, with offsets that follow the text."""

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from server.api.logprobs import LOWEST, TextOffsets, chat_logprobs, completion_logprobs, finite, prompt_logprobs
from server.engine.client import PositionLogprobs


def entry(
    text: str, logprob: float, top: list[tuple[str, int, float]], token_id: int = 1, rank: int = 1
) -> PositionLogprobs:
    return PositionLogprobs(
        token_id,
        text,
        text.encode(),
        logprob,
        rank,
        [(shown, shown.encode(), other, value) for shown, other, value in top],
    )


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=5), max_size=20), st.lists(st.integers(0, 19), max_size=5))
def test_offsets_of_whole_words_are_their_places_in_any_chunking(words: list[str], cuts: list[int]) -> None:
    expected, start = [], 0
    for word in words:
        expected.append(start)
        start += len(word)
    offsets, got = TextOffsets(), []
    bounds = sorted({0, len(words), *(cut for cut in cuts if cut < len(words))})
    for first, last in pairwise(bounds):
        piece = words[first:last]
        got += offsets.walk("".join(piece), [word.encode() for word in piece])
    assert got == expected


@settings(deadline=None)
@given(st.text(min_size=1, max_size=10), st.data())
def test_a_token_that_begins_inside_a_character_has_that_characters_offset(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=4))) if len(raw) > 1 else []
    bounds = [0, *cuts, len(raw)]
    raws = [raw[first:last] for first, last in pairwise(bounds)]
    starts = [index for index, char in enumerate(text) for _ in char.encode()]
    assert TextOffsets().walk(text, raws) == [starts[bound] for bound in bounds[:-1]]


def test_hidden_tokens_and_dropped_spaces_do_not_shift_offsets() -> None:
    assert TextOffsets().walk("Once upon", [b"<s>", b" Once", b" upon"]) == [0, 0, 4]


def test_minus_infinity_and_nan_become_the_lowest_number() -> None:
    assert finite(-math.inf) == finite(math.nan) == LOWEST
    assert finite(-1.5) == -1.5


def test_completions_have_four_parallel_arrays_and_the_sampled_token_in_top() -> None:
    got = completion_logprobs(
        [None, entry("b", -3.0, [("x", 5, -0.5), ("y", 6, -1.0)])], ["a"], [0, 1], num_top=2, as_ids=False
    )
    assert got == {
        "tokens": ["a", "b"],
        "token_logprobs": [None, -3.0],
        "top_logprobs": [None, {"x": -0.5, "y": -1.0, "b": -3.0}],
        "text_offset": [0, 1],
    }


def test_tokens_that_look_alike_are_told_apart() -> None:
    top = [("\ufffd", 7, -0.1), ("\ufffd", 8, -0.2)]
    got = completion_logprobs([entry("\ufffd", -2.0, top, token_id=9)], [], [0], num_top=2, as_ids=False)
    assert got["top_logprobs"] == [{"token_id:7": -0.1, "token_id:8": -0.2, "\ufffd": -2.0}]


def test_chat_shows_exactly_the_likeliest_tokens() -> None:
    position = entry("b", -3.0, [("x", 5, -0.5), ("y", 6, -1.0)])
    shown = chat_logprobs([position], num_top=2, as_ids=False)["content"][0]
    assert (shown["token"], shown["bytes"]) == ("b", [98])
    assert [top["token"] for top in shown["top_logprobs"]] == ["x", "y"]
    assert chat_logprobs([position], num_top=0, as_ids=True)["content"][0]["token"] == "token_id:1"


def test_prompt_ranks_leave_a_place_for_the_chosen_token() -> None:
    got = prompt_logprobs([None, entry("b", -0.7, [("x", 5, -0.5), ("y", 6, -1.0)], rank=2)])
    assert got[0] is None
    assert got[1] is not None
    assert {token: value["rank"] for token, value in got[1].items()} == {"5": 1, "1": 2, "6": 3}
