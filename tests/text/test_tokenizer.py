"""Loading tokenizers, encoding with and without special tokens, single tokens as bytes."""

import json
import threading

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from server.engine.tokenizer import Tokenizer
from server.errors import ModelLoadError, RequestError

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(text=st.text(max_size=40))
def test_a_real_checkpoint_encodes_as_transformers_does(stories260k, reference, text):
    tokenizer, other = reference
    assert tokenizer.encode(text) == other.encode(text)
    assert tokenizer.encode(text, add_special_tokens=False) == other.encode(text, add_special_tokens=False)
    assert tokenizer.decode(tokenizer.encode(text)) == other.decode(other.encode(text), skip_special_tokens=True)


@pytest.fixture(scope="module")
def reference(stories260k):
    return Tokenizer.from_directory(stories260k), AutoTokenizer.from_pretrained(str(stories260k))


def test_a_checkpoint_knows_its_special_tokens(stories260k):
    tokenizer = Tokenizer.from_directory(stories260k)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.vocab_size) == (1, 2, 512)
    assert tokenizer.special_ids == {0, 1, 2}
    assert tokenizer.special_id("</s>") == 2
    assert tokenizer.special_id("the") is None


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback", "metaspace", "stories260K"])
def test_token_bytes_joined_are_the_text(tokenizer_of, kind):
    tokenizer, _ = tokenizer_of(kind)
    for text in ("the ships, in the harbour.", "Brücke"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        raw = b"".join(tokenizer.token_text_and_bytes(i)[1] for i in ids)
        assert raw.decode().removeprefix(" ") == tokenizer.decode(ids)


def test_single_tokens_show_their_partial_bytes(tokenizer_of):
    tokenizer, reference = tokenizer_of("byte_fallback")
    assert tokenizer.token_text_and_bytes(reference.token_to_id("<0xE6>")) == ("\ufffd", b"\xe6")
    assert tokenizer.token_text_and_bytes(reference.token_to_id("▁the")) == (" the", b" the")
    assert tokenizer.token_text_and_bytes(reference.token_to_id("</s>")) == ("</s>", b"</s>")
    assert tokenizer.token_text_and_bytes(10_000) == ("", b"")
    tokenizer, reference = tokenizer_of("byte_level")
    ids = reference.encode("東").ids
    assert b"".join(tokenizer.token_text_and_bytes(i)[1] for i in ids) == "東".encode()


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback"])
def test_special_tokens_in_a_text_are_text_if_they_are_not_allowed(tokenizer_of, kind):
    tokenizer, _ = tokenizer_of(kind)
    text = "a</s>b"
    assert tokenizer.eos_token_id in tokenizer.encode(text)
    plain = tokenizer.encode(text, allow_special=False, add_special_tokens=False)
    assert not tokenizer.special_ids & set(plain)
    assert tokenizer.decode(plain) == text
    assert tokenizer.eos_token_id in tokenizer.encode(text), "the switch must not stick"


def test_bos_is_added_once_if_only_the_config_asks_for_it(tokenizer_of):
    _, with_template = tokenizer_of("byte_fallback")
    _, without = tokenizer_of("byte_level")
    config = {"bos_token": {"content": "<s>", "special": True}, "add_bos_token": True}
    for backend in (with_template, without):
        tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(backend.to_str()), config)
        ids = tokenizer.encode("the ship")
        assert ids.count(0) == 1
        assert ids[0] == 0
        assert 0 not in tokenizer.encode("the ship", add_special_tokens=False)


def test_special_tokens_that_only_the_config_names_are_hidden(tokenizer_of):
    _, backend = tokenizer_of("byte_level")
    size = backend.get_vocab_size()
    end = backend.token_to_id("h")
    config = {
        "added_tokens_decoder": {str(size): {"content": "<tool>", "special": True}},
        "eos_token": "h",
    }
    tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(backend.to_str()), config)
    assert tokenizer.encode("<tool>") == [size]
    assert tokenizer.special_ids >= {size, end}
    assert tokenizer.decode([size, end]) == ""


def test_a_tokenizer_file_with_truncation_and_padding_encodes_whole_texts(tokenizer_of, tmp_path):
    _, backend = tokenizer_of("byte_level")
    copy = tokenizers.Tokenizer.from_str(backend.to_str())
    copy.enable_truncation(4)
    copy.enable_padding(length=50)
    copy.save(str(tmp_path / "tokenizer.json"))
    text = "Once upon a time there were 12 brothers."
    assert Tokenizer.from_directory(tmp_path).decode(Tokenizer.from_directory(tmp_path).encode(text)) == text


def test_older_files_are_converted(tokenizer_of, tmp_path):
    _, backend = tokenizer_of("byte_level")
    model = json.loads(backend.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    (tmp_path / "merges.txt").write_text("\n".join(" ".join(pair) for pair in model["merges"]))
    config = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    text = "the ship left the harbour"
    assert Tokenizer.from_directory(tmp_path).encode(text) == backend.encode(text).ids


@pytest.mark.parametrize("content", [None, "{", '{"version": "1.0"}', "[]"])
def test_a_missing_or_broken_tokenizer_is_one_clear_line(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelLoadError) as caught:
        Tokenizer.from_directory(tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "tokenizer" in message
    assert str(tmp_path) in message


def test_code_that_a_checkpoint_brings_is_not_run(tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    config = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": [None, "evil.Evil"]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError):
        Tokenizer.from_directory(tmp_path)


def test_half_a_surrogate_pair_is_refused(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    with pytest.raises(RequestError, match="surrogate"):
        tokenizer.encode("a\ud800")


def test_threads_share_one_tokenizer(tokenizer_of):
    tokenizer, _ = tokenizer_of("byte_level")
    text = "Once upon  a time </s> 東京 🌊"
    expected = {special: tokenizer.encode(text, allow_special=special) for special in (True, False)}
    wrong: list[object] = []

    def work() -> None:
        for _ in range(100):
            wrong.extend(s for s in (True, False) if tokenizer.encode(text, allow_special=s) != expected[s])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
