"""Joined deltas are the text, whatever the tokens, and no delta ever shows half a character."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.engine.detokenizer import make_detokenizer

BYTEWISE = ["byte_level", "byte_fallback", "stories260K", "metaspace"]
KINDS = [*BYTEWISE, "word_piece"]

texts = st.text(st.sampled_from("aehinrst ,.\nÄéß東京🌊👩\u200d🇲\x00"), max_size=20)
relaxed = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ids_strategy(tokenizer):
    """Random ids, real text, and mixtures of both."""
    random_ids = st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=12)
    real_ids = texts.map(lambda text: tokenizer.encode(text, add_special_tokens=False))
    return st.lists(random_ids | real_ids, max_size=3).map(lambda parts: [i for part in parts for i in part])


def stream(tokenizer, prompt, generated, **options) -> list[str]:
    detokenizer = make_detokenizer(tokenizer, prompt, **options)
    return [*(detokenizer.feed(token_id) for token_id in generated), detokenizer.flush()]


def bytes_of(reference, ids, skip) -> bytes:
    """The obvious reading of a byte-fallback vocabulary."""
    special = {i for i, token in reference.get_added_tokens_decoder().items() if token.special}
    out = b""
    for token in (reference.id_to_token(i) for i in ids if not (skip and i in special)):
        is_byte = re.fullmatch("<0x[0-9A-F]{2}>", token)
        out += bytes([int(token[3:5], 16)]) if is_byte else token.replace("▁", " ").encode()
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("skip", [True, False])
@relaxed
@given(data=st.data())
def test_joined_deltas_are_the_full_decode_in_the_context_of_the_prompt(tokenizer_of, kind, skip, data):
    tokenizer, reference = tokenizer_of(kind)
    prompt = data.draw(ids_strategy(tokenizer))
    generated = data.draw(ids_strategy(tokenizer))
    before = reference.decode(prompt, skip_special_tokens=skip)
    whole = reference.decode(prompt + generated, skip_special_tokens=skip)
    joined = "".join(stream(tokenizer, prompt, generated, skip_special_tokens=skip))
    if not before.endswith("\ufffd") and (kind not in ("byte_fallback", "stories260K") or "\ufffd" not in whole):
        assert before + joined == whole


@pytest.mark.parametrize("kind", ["byte_fallback", "stories260K"])
@pytest.mark.parametrize("skip", [True, False])
@relaxed
@given(data=st.data())
def test_invalid_byte_tokens_become_replacement_characters_as_in_any_utf8_decoder(tokenizer_of, kind, skip, data):
    tokenizer, reference = tokenizer_of(kind)
    generated = data.draw(ids_strategy(tokenizer))
    expected = bytes_of(reference, generated, skip).decode(errors="replace").removeprefix(" ")
    assert "".join(stream(tokenizer, [], generated, skip_special_tokens=skip)) == expected


@pytest.mark.parametrize("kind", BYTEWISE)
@relaxed
@given(data=st.data())
def test_a_delta_never_shows_half_a_character_of_valid_text(tokenizer_of, kind, data):
    tokenizer, reference = tokenizer_of(kind)
    generated = tokenizer.encode(data.draw(texts), add_special_tokens=False)
    if "\ufffd" not in reference.decode(generated):
        assert not any("\ufffd" in delta for delta in stream(tokenizer, [], generated))


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback"])
@pytest.mark.parametrize("char", ["é", "京", "🌊"])
def test_a_prompt_that_ends_inside_a_character_leaks_nothing_into_the_first_delta(tokenizer_of, kind, char):
    tokenizer, _ = tokenizer_of(kind)
    table = tokenizer.bytes_of.pieces
    byte_ids = [table.index(bytes([byte])) for byte in char.encode()]
    text_ids = tokenizer.encode("the ship", add_special_tokens=False)
    for cut in range(1, len(byte_ids)):
        prompt = text_ids + byte_ids[:cut]
        # The sample completes the character: it is the sample's. It goes on otherwise: the half is the prompt's.
        assert "".join(stream(tokenizer, prompt, byte_ids[cut:] + text_ids[-1:])).startswith(char)
        other = table.index(b"a")
        assert stream(tokenizer, prompt, [other]) == ["a", ""]
        assert stream(tokenizer, prompt, []) == [""]


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback"])
def test_a_character_that_is_never_completed_becomes_one_replacement_at_the_end(tokenizer_of, kind):
    tokenizer, _ = tokenizer_of(kind)
    table = tokenizer.bytes_of.pieces
    generated = [table.index(b"a"), *(table.index(bytes([byte])) for byte in "🌊".encode()[:3])]
    assert stream(tokenizer, [], generated) == ["a", "", "", "", "\ufffd"]


@pytest.mark.parametrize("kind", ["byte_fallback", "stories260K"])
def test_leading_spaces_are_kept_after_a_prompt_and_dropped_where_the_text_begins(tokenizer_of, kind):
    tokenizer, _ = tokenizer_of(kind)
    generated = tokenizer.encode("the", add_special_tokens=False)
    assert "".join(stream(tokenizer, tokenizer.encode("a"), generated)) == " the"
    assert "".join(stream(tokenizer, [tokenizer.bos_token_id], generated)) == "the"
    assert "".join(stream(tokenizer, [], generated)) == "the"


def test_adjacent_special_tokens_lose_the_decoders_space_only_on_request(tokenizer_of):
    tokenizer, _ = tokenizer_of("word_piece")
    ids = [0, 1, *tokenizer.encode("the ships", add_special_tokens=False)]
    shown = "".join(stream(tokenizer, [], ids, skip_special_tokens=False))
    joined = "".join(stream(tokenizer, [], ids, skip_special_tokens=False, spaces_between_special_tokens=False))
    assert shown == "<s> </s> the ships"
    assert joined == "<s></s> the ships"
    assert "".join(stream(tokenizer, [], ids)) == "the ships"


def test_ids_beyond_the_vocabulary_are_silent(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    assert stream(tokenizer, [tokenizer.vocab_size + 5], [tokenizer.vocab_size + 7]) == ["", ""]
