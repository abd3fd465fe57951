"""Rows of pass keys: exact lengths, keys where they belong, and targets that stand before the answers' tokens."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.templates import ChatTemplate
from server.calibrate.haystack import Haystack, read_haystack
from server.calibrate.passkeys import PasskeyRows
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.quality.filler import filler_sentences


@pytest.fixture(scope="module")
def tokenizer(tiny_llama):
    return Tokenizer.from_directory(tiny_llama)


@pytest.fixture(scope="module")
def haystack(tokenizer):
    sentences = filler_sentences("passkeys")
    ids = tokenizer.encode(" ".join(next(sentences) for _ in range(1500)))
    return Haystack(np.array(ids, dtype=np.int32))


def answers(tokenizer: Tokenizer, row) -> str:
    """What the targets predict."""
    return tokenizer.decode(row.token_ids[row.targets + 1].tolist())


def test_ten_keys_of_32_words_are_announced_asked_for_in_order_and_answered(tokenizer, haystack):
    rows = PasskeyRows(tokenizer, haystack)
    length = rows.least_length + 7
    row = rows.make(length, np.random.default_rng(0))
    assert row.token_ids.shape == (length,)
    text = tokenizer.decode(row.token_ids.tolist())
    announced = re.findall(r"\n\nThe (\w+) pass key is((?: \w+){32})\. Remember it\.\n\n", text)
    asked = re.findall(r"\n\nWhat is the (\w+) pass key\? The (\w+) pass key is((?: \w+){32})\.", text)
    assert [ordinal for ordinal, _ in announced][::9] == ["first", "tenth"]
    assert len(announced) == 10
    assert asked == [(ordinal, ordinal, key) for ordinal, key in announced]
    assert len({key for _, key in announced}) == 10
    assert answers(tokenizer, row) == "".join(key for _, key in announced)
    assert text.endswith(f"{announced[-1][1]}.")


@given(seed=st.integers(0, 2**32), extra=st.integers(0, 300), passkeys=st.integers(1, 10))
def test_rows_have_the_length_that_was_asked_for_and_keys_between_5_and_95_percent(
    tokenizer, haystack, seed, extra, passkeys
):
    rows = PasskeyRows(tokenizer, haystack, num_passkeys=passkeys, kind="digits")
    length = rows.least_length + extra
    row = rows.make(length, np.random.default_rng(seed))
    assert row.token_ids.shape == (length,)
    before, *parts = re.split(
        r"\n\nThe \w+ pass key is \d{5}\. Remember it\.\n\n", tokenizer.decode(row.token_ids.tolist())
    )
    assert len(parts) == passkeys
    hay = [len(tokenizer.encode(part)) for part in (before, *parts[:-1], parts[-1].partition("\n\nWhat")[0])]
    # Parted at random tokens, the text may have a few tokens more or less on its own.
    assert hay[0] >= 0.05 * sum(hay) - 3 - passkeys
    assert hay[-1] >= 0.05 * sum(hay) - 3 - passkeys
    assert answers(tokenizer, row).split() == re.findall(
        r"key is (\d{5})\. R", tokenizer.decode(row.token_ids.tolist())
    )


def test_the_same_draw_gives_the_same_row_and_another_another(tokenizer, haystack):
    rows = PasskeyRows(tokenizer, haystack, num_passkeys=2, kind="digits")
    one, same, other = (rows.make(300, np.random.default_rng([1, step])) for step in (0, 0, 1))
    assert one.token_ids.equal(same.token_ids)
    assert not one.token_ids.equal(other.token_ids)


def test_a_conversation_asks_in_turns_and_answers_with_the_key_alone(tokenizer, haystack, tiny_llama):
    template = ChatTemplate.from_directory(tiny_llama)
    rows = PasskeyRows(
        tokenizer,
        haystack,
        num_passkeys=2,
        kind="digits",
        render=lambda messages: template.render(list(messages), add_generation_prompt=False),
    )
    row = rows.make(400, np.random.default_rng(3))
    text = tokenizer.decode(row.token_ids.tolist(), skip_special_tokens=False)
    first, second = re.findall(r"pass key is (\d{5})\. Remember", text)
    assert text.startswith("<|im_start|>user\n")
    assert text.endswith(
        "\n\nWhat is the first pass key?<|im_end|>\n"
        f"<|im_start|>assistant\n{first}<|im_end|>\n"
        "<|im_start|>user\nWhat is the second pass key?<|im_end|>\n"
        f"<|im_start|>assistant\n{second}<|im_end|>\n"
    )
    assert answers(tokenizer, row) == first + second
    end_of_turn = tokenizer.special_id("<|im_end|>")
    assert (row.token_ids == end_of_turn).sum() == 4


def test_a_template_that_drops_messages_is_refused(tokenizer, haystack):
    with pytest.raises(ConfigError, match="leaves messages out"):
        PasskeyRows(tokenizer, haystack, render=lambda messages: messages[-1]["content"])


def test_a_text_that_is_too_short_is_refused_with_both_numbers(tokenizer):
    rows = PasskeyRows(tokenizer, Haystack(np.zeros(99, dtype=np.int32)))
    rows.check(99)
    with pytest.raises(ConfigError, match="has 99 tokens, but rows of 1,000"):
        rows.check(1000)


def test_a_folder_is_its_files_by_name_and_a_limit_cuts_them_off(tokenizer, tmp_path):
    folder = tmp_path / "texts"
    (folder / "more").mkdir(parents=True)
    (folder / "a.txt").write_text("The ship left the harbour.")
    (folder / "more" / "b.md").write_text("Nobody on the quay waved. <|im_end|>")
    (folder / "c.json").write_text("{}")
    whole = read_haystack([folder], tokenizer)
    assert read_haystack([folder / "a.txt", folder / "more" / "b.md"], tokenizer).digest == whole.digest
    text = tokenizer.decode(whole.ids.tolist(), skip_special_tokens=False)
    assert "ship" in text
    assert "quay" in text
    assert tokenizer.special_id("<|im_end|>") not in whole.ids
    assert len(tokenizer.decode(read_haystack([folder], tokenizer, max_chars=30).ids.tolist())) == 30


def test_texts_that_cannot_be_used_are_refused_in_one_line(tokenizer, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "broken.tar.xz").write_bytes(b"no archive")
    for name, message in {
        "nowhere": "there is no text at",
        "empty": "holds no .txt, .md or .tar.xz file",
        "binary.txt": "cannot read",
        "broken.tar.xz": "is not a .tar.xz",
    }.items():
        with pytest.raises(ConfigError, match=re.escape(message)) as caught:
            read_haystack([Path(tmp_path / name)], tokenizer)
        assert "\n" not in str(caught.value)
