"""The assembler: text, token ids and log probabilities stay in step, and a sample ends exactly once."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.engine.client import Delta, TextParams
from server.engine.request import SampleOutput, TokenLogprobs
from server.engine.text import TextAssembler

relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = "the ship, 東京 and 🌊.\nEnd of a time </s> the"


def record(token_id: int) -> TokenLogprobs:
    return TokenLogprobs(token_id, -float(token_id), 2, [3, token_id], [-0.5, -float(token_id)])


def outputs_of(ids: list[int], cuts: list[int], reason="length", stop_id=None) -> list[SampleOutput]:
    edges = [0, *sorted({cut % (len(ids) + 1) for cut in cuts}), len(ids)]
    parts = [ids[a:b] for a, b in itertools.pairwise(edges)]
    return [
        SampleOutput(
            "r", 3, part, reason if last else None, stop_id if last else None, [record(i) for i in part] or None
        )
        for part, last in zip(parts, [False] * (len(parts) - 1) + [True], strict=True)
    ]


def assemble(tokenizer, params: TextParams, outputs: list[SampleOutput], prompt=(5,)) -> list[Delta]:
    assembler = TextAssembler(tokenizer, params, list(prompt))
    deltas = [assembler.feed(output) for output in outputs]
    return [delta for delta in deltas if delta is not None]


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback", "word_piece"])
@relaxed
@given(data=st.data())
def test_every_stream_is_complete_in_step_and_ends_once(tokenizer_of, kind, data):
    tokenizer, _ = tokenizer_of(kind)
    real = tokenizer.encode(TEXT, add_special_tokens=False)
    ids = data.draw(st.just(real) | st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=20))
    stops = tuple(data.draw(st.lists(st.sampled_from(["the", "東京 a", "\n", "🌊.", "</s>", "zz", "e "]), max_size=3)))
    params = TextParams(stop=stops, include_stop=data.draw(st.booleans()), skip_special_tokens=data.draw(st.booleans()))
    deltas = assemble(tokenizer, params, outputs_of(ids, data.draw(st.lists(st.integers(0, 30), max_size=6))))
    one_by_one = assemble(tokenizer, params, outputs_of(ids, list(range(len(ids) + 1))))
    plain = assemble(tokenizer, TextParams(skip_special_tokens=params.skip_special_tokens), outputs_of(ids, []))

    assert [delta.finish_reason is not None for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    assert {delta.index for delta in deltas} == {3}
    for stream in (deltas, one_by_one):
        token_ids = [i for delta in stream for i in delta.token_ids]
        assert token_ids == ids[: len(token_ids)]
        assert [entry.token_id for delta in stream for entry in delta.logprobs or []] == token_ids
    text = "".join(delta.text for delta in deltas)
    assert text == "".join(delta.text for delta in one_by_one)
    last = deltas[-1]
    assert (last.finish_reason, last.stop_reason, last.num_generated) == (
        one_by_one[-1].finish_reason, one_by_one[-1].stop_reason, one_by_one[-1].num_generated
    )  # fmt: skip
    if last.finish_reason == "length":
        assert text == plain[0].text
        assert [i for delta in deltas for i in delta.token_ids] == ids
        assert last.num_generated == len(ids)
    else:
        assert last.stop_reason in stops
        if params.include_stop:
            assert text.endswith(last.stop_reason)
        if not (params.skip_special_tokens and last.stop_reason == "</s>"):
            assert plain[0].text.startswith(text)
            # Without its last token the sample would not have stopped.
            shorter = assemble(tokenizer, params, outputs_of(ids[: last.num_generated - 1], []))
            assert shorter[-1].finish_reason == "length" or "\ufffd" in shorter[-1].text


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback"])
def test_tokens_and_logprobs_wait_for_their_text(tokenizer_of, kind):
    tokenizer, _ = tokenizer_of(kind)
    pieces = tokenizer.bytes_of.pieces
    ids = [pieces.index(b"a"), *(pieces.index(bytes([byte])) for byte in "🌊".encode()), pieces.index(b"n")]
    assembler = TextAssembler(tokenizer, TextParams(stop=("🌊X",)), [5])
    deltas = [assembler.feed(SampleOutput("r", 0, [i], logprobs=[record(i)])) for i in ids]
    assert deltas[1:-1] == [None] * 4
    assert (deltas[0].text, deltas[0].token_ids) == ("a", ids[:1])
    assert (deltas[-1].text, deltas[-1].token_ids) == ("🌊n", ids[1:])
    assert [entry.raw for entry in deltas[-1].logprobs] == [pieces[i] for i in ids[1:]]
    assert deltas[-1].num_generated == len(ids)


def test_a_stop_string_ends_the_sample_before_the_core_knows(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    ids = tokenizer.encode("one\n\ntwo", add_special_tokens=False)
    assembler = TextAssembler(tokenizer, TextParams(stop=("\n\n",)), [5])
    deltas = [assembler.feed(SampleOutput("r", 0, [i])) for i in ids]
    ends = [delta for delta in deltas if delta is not None and delta.finish_reason is not None]
    assert len(ends) == 1
    assert (ends[0].finish_reason, ends[0].stop_reason) == ("stop", "\n\n")
    completing = deltas.index(ends[0])
    assert ends[0].num_generated == completing + 1 < len(ids)
    assert deltas[completing + 1 :] == [None] * (len(ids) - completing - 1)
    assert assembler.feed(SampleOutput("r", 0, [], "abort")) is None


def test_a_stop_token_is_counted_but_neither_shown_nor_scored(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    ids = tokenizer.encode("the ship", add_special_tokens=False)
    stop_id = tokenizer.encode("!", add_special_tokens=False)[0]
    deltas = assemble(tokenizer, TextParams(), outputs_of([*ids, stop_id], [], "stop", stop_id))
    assert [(d.text, d.token_ids, d.finish_reason, d.stop_reason, d.num_generated) for d in deltas] == [
        ("the ship", ids, "stop", stop_id, len(ids) + 1)
    ]
    assert [entry.token_id for entry in deltas[0].logprobs] == ids


def test_a_stop_string_that_is_a_hidden_special_token_still_stops(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    ids = tokenizer.encode("the<|im_end|>ship", add_special_tokens=False)
    for skip in (True, False):
        params = TextParams(stop=("<|im_end|>",), skip_special_tokens=skip)
        deltas = assemble(tokenizer, params, outputs_of(ids, [], reason="length"))
        assert ("".join(d.text for d in deltas), deltas[-1].stop_reason) == ("the", "<|im_end|>")


def test_held_text_is_released_when_the_sample_ends_otherwise(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    ids = tokenizer.encode("the ship", add_special_tokens=False)
    deltas = assemble(tokenizer, TextParams(stop=("ship left",)), outputs_of(ids, list(range(9)), "abort"))
    assert "".join(delta.text for delta in deltas) == "the ship"
    assert deltas[-1].finish_reason == "abort"


def test_prompt_logprobs_come_at_once_and_the_chosen_token_is_not_repeated(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    assembler = TextAssembler(tokenizer, TextParams(stop=("the ship",)), [5, 7])
    first = tokenizer.encode("the", add_special_tokens=False)
    delta = assembler.feed(SampleOutput("r", 0, first[:1], prompt_logprobs=[None, record(7)], cached_tokens=1))
    assert (delta.text, delta.token_ids, delta.cached_tokens) == ("", [], 1)
    assert delta.prompt_logprobs[0] is None
    assert [top[2] for top in delta.prompt_logprobs[1].top] == [3]
