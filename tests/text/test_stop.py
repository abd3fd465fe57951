"""Stop strings against a search that looks at the whole text again after every character."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.stop import StopMatcher

letters = st.text(st.sampled_from("ab\n東🌊"), max_size=24)
stops_strategy = st.lists(st.text(st.sampled_from("ab\n東🌊"), min_size=1, max_size=5), max_size=4)


def cut_by_search(text: str, stops: list[str], include: bool) -> tuple[str, str | None]:
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            longest = max(complete, key=len)
            return (text[:end] if include else text[: end - len(longest)]), longest
    return text, None


def chunks_of(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=150)
@given(text=letters, stops=stops_strategy, include=st.booleans(), cuts=st.lists(st.integers(0, 30), max_size=8))
def test_any_chunking_cuts_where_the_first_stop_completes(text, stops, include, cuts):
    matcher = StopMatcher(stops, include)
    shown = "".join(matcher.feed(chunk) for chunk in chunks_of(text, cuts)) + matcher.flush()
    assert (shown, matcher.matched) == cut_by_search(text, stops, include)


@settings(max_examples=150)
@given(text=letters, stops=stops_strategy)
def test_only_a_tail_that_may_become_a_stop_is_held_back(text, stops):
    matcher = StopMatcher(stops)
    shown = ""
    for end, char in enumerate(text, 1):
        shown += matcher.feed(char)
        if matcher.matched is not None:
            break
        prefixes = [stop[:n] for stop in stops for n in range(1, len(stop)) if text[:end].endswith(stop[:n])]
        assert text[:end] == shown + max(prefixes, key=len, default="")


def test_without_stop_strings_nothing_is_ever_held():
    matcher = StopMatcher(())
    assert [matcher.feed(piece) for piece in ("a", "", "\n\n")] == ["a", "", "\n\n"]
    assert StopMatcher(("",)).feed("a") == "a"


def test_text_after_a_match_is_dropped():
    matcher = StopMatcher(["\n\n"])
    assert matcher.feed("one\n\ntwo") == "one"
    assert matcher.feed("three") == ""
    assert matcher.flush() == ""
    assert matcher.matched == "\n\n"


def test_a_long_stop_string_over_a_long_text_takes_linear_time():
    stop = "a" * 5_000 + "b"
    matcher = StopMatcher([stop])
    shown = "".join(matcher.feed("a" * 1_000) for _ in range(50))
    assert len(shown) == 45_000
    assert matcher.feed("bc") == ""
    assert matcher.matched == stop
