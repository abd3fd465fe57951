"""What is learned from: files of every kind, and the tokens that serving would make of the same request."""

import json
from pathlib import Path

import pytest

from server.api.templates import ChatTemplate
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.finetune.examples import Encoder, digest_of, hold_out, read_examples
from server.finetune.feed import Feed
from tests.quality.made import CONTEXT, context, question

YES = {"kind": "text", "accepted": ["yes"]}
USER = {"role": "user", "content": "What is the capital of France?"}
ANSWER = {"role": "assistant", "content": "Paris."}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def tokenizer(tiny_llama) -> Tokenizer:
    return Tokenizer.from_directory(tiny_llama)


@pytest.fixture(scope="module")
def encoder(tiny_llama, tokenizer) -> Encoder:
    ends = [tokenizer.special_id(text) for text in ("<|endoftext|>", "<|im_end|>")]
    return Encoder(tokenizer, ChatTemplate.from_directory(tiny_llama), ends, 200)


def parts(encoder: Encoder, tokenizer: Tokenizer, example) -> tuple[str, str]:
    """Prompt and response as text."""
    row = encoder.row(example)
    texts = (row.token_ids[: row.prompt_len], row.token_ids[row.prompt_len :])
    prompt, response = (tokenizer.decode(ids, skip_special_tokens=False) for ids in texts)
    return prompt, response


def test_of_a_conversation_the_last_turn_is_learned_up_to_the_token_that_ends_it(tmp_path, encoder, tokenizer):
    turns = [USER, ANSWER, {"role": "user", "content": "And of Spain?"}, {"role": "assistant", "content": "Madrid."}]
    (example,) = read_examples([write(tmp_path / "chat.jsonl", {"messages": turns})], "train")
    prompt, response = parts(encoder, tokenizer, example)
    assert prompt.endswith("Paris.<|im_end|>\n<|im_start|>user\nAnd of Spain?<|im_end|>\n<|im_start|>assistant\n")
    assert response == "Madrid.<|im_end|>"


def test_a_completion_is_ended_and_special_tokens_in_plain_text_are_text(tmp_path, encoder, tokenizer):
    line = {"prompt": "Once upon <|im_end|>", "completion": " a time"}
    (example,) = read_examples([write(tmp_path / "plain.jsonl", line)], "train")
    assert parts(encoder, tokenizer, example) == ("Once upon <|im_end|>", " a time<|endoftext|>")
    row = encoder.row(example)
    assert tokenizer.special_id("<|im_end|>") not in row.token_ids


def test_map_questions_are_asked_as_evaluation_asks_them(tmp_path, encoder, tokenizer):
    asked, called = question(1, YES, ask="Where?", reply="There. Answer: yes"), question(2, YES, forms=[])
    path = write(tmp_path / "map.jsonl", context(0, [asked, called]))
    examples = read_examples([path], "all", ["text"])
    assert len(examples) == 1
    prompt, response = parts(encoder, tokenizer, examples[0])
    assert prompt == f"<|im_start|>user\n{CONTEXT}\nWhere?<|im_end|>\n<|im_start|>assistant\n"
    assert response == "There. Answer: yes<|im_end|>"
    assert len(read_examples([path], "all")) == 2
    with pytest.raises(ConfigError, match="holds no question of the split"):
        read_examples([path], "train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ([1], "line 2 is not a JSON object"),
        ({"text": "x"}, "line 2 has neither messages nor texts as prompt and completion"),
        ({"prompt": "a", "completion": ""}, "line 2 has neither"),
        ({"messages": [ANSWER]}, "line 2: messages must end with the assistant's"),
        ({"messages": [ANSWER, USER]}, "line 2: messages must end with the assistant's"),
        ({"messages": "hi"}, "line 2: messages and tools must be lists of objects"),
        ({"messages": [USER, ANSWER], "tools": "t"}, "line 2: messages and tools must be lists"),
    ],
)
def test_bad_lines_are_named_in_one_line(tmp_path, line, message):
    path = write(tmp_path / "bad.jsonl", {"prompt": "a", "completion": "b"}, line)
    with pytest.raises(ConfigError) as caught:
        read_examples([path], "train")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_empty_are_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        read_examples([tmp_path / "none.jsonl"], "train")
    with pytest.raises(ConfigError, match="is empty"):
        read_examples([write(tmp_path / "empty.jsonl")], "train")


def test_what_a_model_cannot_write_is_said_with_the_place(tmp_path, tokenizer, encoder):
    (chat,) = read_examples([write(tmp_path / "chat.jsonl", {"messages": [USER, ANSWER]})], "train")
    with pytest.raises(ConfigError, match=r"chat.jsonl, line 1 is a conversation, but the model has no chat template"):
        Encoder(tokenizer, None, [0], 100).row(chat)
    trimming = ChatTemplate({"default": "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages|length }}"}, {})
    with pytest.raises(ConfigError, match="writes the answered conversation otherwise"):
        Encoder(tokenizer, trimming, [0], 100).row(chat)
    (empty,) = read_examples([write(tmp_path / "p.jsonl", {"prompt": "", "completion": "b"})], "train")
    with pytest.raises(ConfigError, match="the prompt has no tokens"):
        encoder.row(empty)


def test_examples_of_one_context_are_held_out_together_whatever_their_order(tmp_path):
    lines = [context(n, [question(10 * n + q, YES) for q in range(3)]) for n in range(10)]
    examples = read_examples([write(tmp_path / "map.jsonl", *lines)], "all", ["text"])
    learn, held = hold_out(examples, 0.2, 1)
    assert len({example.group for example in held}) == 2
    assert not {example.group for example in held} & {example.group for example in learn}
    assert len(learn) + len(held) == 30
    again = hold_out(examples[::-1], 0.2, 1)[1]
    assert {example.group for example in again} == {example.group for example in held}
    with pytest.raises(ConfigError, match="share one context"):
        hold_out(examples[:3], 0.2, 1)


def test_a_feed_gives_every_example_once_an_epoch_and_goes_on_from_a_number(tmp_path, encoder):
    lines = [{"prompt": f"{n:02d}", "completion": "x" * (500 if n == 3 else n + 1)} for n in range(7)]
    examples = read_examples([write(tmp_path / "p.jsonl", *lines)], "train")
    feed = Feed(examples, encoder, seed=5)
    rows, cursor = feed.take(0, 12)
    # The fourth is too long and is passed over.
    assert cursor == 14
    assert len(set(rows[:6])) == len(set(rows[6:])) == 6
    assert set(rows[:6]) == set(rows[6:])
    assert rows[:6] != rows[6:]
    head, middle = Feed(examples, encoder, seed=5).take(0, 5)
    assert head + Feed(examples, encoder, seed=5).take(middle, 7)[0] == rows
    with pytest.raises(ConfigError, match="every example has more tokens than --max-length"):
        Feed(examples[3:4], encoder, seed=5).take(0, 1)


def test_a_digest_follows_the_content_and_not_the_name(tmp_path):
    one, other = write(tmp_path / "a.jsonl", {"a": 1}), write(tmp_path / "b.jsonl", {"a": 1})
    assert digest_of([one]) == digest_of([other])
    assert digest_of([one]) != digest_of([write(tmp_path / "c.jsonl", {"a": 2})])
