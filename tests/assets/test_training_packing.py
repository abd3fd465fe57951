"""A training set comes out the same however it is made, and reads back as it was."""

import lzma
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from server.assets.training.arrays import load_arrays, save_arrays
from server.assets.training.books import Book, Library, parse_book, read_library, sentences_of
from server.assets.training.packing import Kind, Packing, Row, Shard, TrainingSet, pack
from server.assets.training.questions import Drawing
from server.errors import ConfigError
from tests.assets.map_lines import map_line, write_lines

TEXT = "\n\n".join(
    " ".join(f"The {word} of number {n} lay in the harbour of Aldwin." for word in ("ship", "boat", "raft"))
    for n in range(40)
)
LIBRARY = Library([Book("A Tale", "A. Nobody", TEXT)], [Book("Held", "B. Nobody", TEXT[:500])], "Wiki = text .\n")
SMALL = Packing(copies=2, vocab_size=420, tokenizer_chars=60_000, num_dialogues=40, drawing=Drawing(tools_share=1.0))

rows = st.lists(
    st.builds(
        lambda ids, kind: Row(np.array(ids, np.uint16), np.array([i % 101 for i in ids], np.uint8), Kind(kind)),
        st.lists(st.integers(0, 4095), min_size=1, max_size=12),
        st.integers(0, 7),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("questions")
    lines = [map_line(number, has_tools=number % 2 == 0) for number in range(10)]
    others = [map_line(50, split="validation"), map_line(51, split="test"), map_line(52, split="validation")]
    return [write_lines(folder / "a.jsonl", lines[:6]), write_lines(folder / "b.jsonl", others + lines[6:])]


@pytest.fixture(scope="module")
def packed(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return pack(files, LIBRARY, tmp_path_factory.mktemp("set"), SMALL)


@given(rows)
@settings(deadline=None, max_examples=50)
def test_a_shard_reads_back_as_its_rows(tmp_path_factory: pytest.TempPathFactory, found: list[Row]) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.shard"
    Shard.of(found).save(path)
    first = path.read_bytes()
    shard = Shard.open(path)
    assert shard.rows == len(found)
    for index, row in enumerate(found):
        ids, weights = shard.row(index)
        assert (ids.tolist(), weights.tolist()) == (row.ids.tolist(), row.weights.tolist())
        assert (ids.dtype, weights.dtype) == (np.uint16, np.uint8)
        assert shard.lengths[index] == len(row.ids)
        assert shard.kinds[index] == row.kind
    shard.save(path)
    assert path.read_bytes() == first


@given(rows, st.integers(0, 14), st.integers(0, 14))
@settings(deadline=None, max_examples=50)
def test_rows_of_a_length_are_all_found_the_shortest_first(found: list[Row], most: int, least: int) -> None:
    numbers = Shard.of(found).rows_within(most, least).tolist()
    lengths = [len(row.ids) for row in found]
    assert sorted(numbers) == [index for index, length in enumerate(lengths) if least <= length <= most]
    assert [lengths[index] for index in numbers] == sorted(lengths[index] for index in numbers)


@pytest.fixture(params=["alone", "by two"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor | None]:
    if request.param == "alone":
        yield None
    else:
        with ThreadPoolExecutor(2) as pool:
            yield pool


def test_the_same_files_give_the_same_bytes(
    packed: TrainingSet, files: list[Path], tmp_path: Path, executor: Executor | None
) -> None:
    pack(files, LIBRARY, tmp_path, SMALL, executor=executor)
    names = sorted(path.name for path in packed.folder.iterdir())
    assert len(names) == 7
    for name in names:
        assert (tmp_path / name).read_bytes() == (packed.folder / name).read_bytes(), name


def test_every_split_goes_where_it_belongs(packed: TrainingSet) -> None:
    tokenizer = Tokenizer.from_file(str(packed.tokenizer_path))

    def texts(shard: Shard) -> str:
        return "".join(tokenizer.decode(shard.row(i)[0].tolist(), skip_special_tokens=False) for i in range(shard.rows))

    assert packed.manifest["num_lines"] == {"train": 10, "validation": 2, "test": 1}
    trained, validated = texts(packed.questions), texts(packed.validation)
    for number in range(10):
        assert f"Curlew Haven {number}" in trained
    for number in (50, 52):
        assert f"Curlew Haven {number}" in validated
        assert f"Curlew Haven {number}" not in trained
    assert "Curlew Haven 51" not in trained + validated
    # Two copies of ten contexts, and of the five lines' questions for tools.
    assert packed.questions.rows == 2 * (10 + 5)
    assert np.count_nonzero(packed.questions.kinds & Kind.TOOLS) == 10
    assert packed.validation.rows == 2
    assert packed.dialogues.rows == 40
    assert packed.questions.lengths.sum() == packed.manifest["shards"]["questions"]["num_tokens"]


def test_natural_text_comes_back_whole(packed: TrainingSet) -> None:
    tokenizer = Tokenizer.from_file(str(packed.tokenizer_path))
    assert tokenizer.decode(packed.books.tolist(), skip_special_tokens=False) == TEXT + "<|endoftext|>"
    assert tokenizer.decode(packed.held_out.tolist(), skip_special_tokens=False) == TEXT[:500]
    assert tokenizer.decode(packed.wikitext.tolist(), skip_special_tokens=False) == "Wiki = text .\n"
    assert packed.manifest["held_out_titles"] == ["Held"]
    assert packed.manifest["wikitext_num_bytes"] == 14


def test_long_conversations_are_left_out(files: list[Path], tmp_path: Path) -> None:
    short = Packing(vocab_size=420, tokenizer_chars=60_000, num_dialogues=20, max_tokens=150)
    found = pack(files, LIBRARY, tmp_path, short)
    assert found.dialogues.rows < 20
    assert found.dialogues.lengths.max() <= 150
    assert found.questions.rows == 0


def test_without_training_lines_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [map_line(1, split="test")])
    with pytest.raises(ConfigError, match="no lines of the split train"):
        pack([path], LIBRARY, tmp_path / "set", SMALL)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"format": "rhumb.arrays/1", "arrays": [{"name": "a"}]}\n'])
def test_a_damaged_file_of_arrays_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.shard").write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.shard is damaged"):
        load_arrays(tmp_path / "a.shard")
    save_arrays(tmp_path / "a.shard", {"ids": np.arange(9, dtype=np.int32)})
    (tmp_path / "a.shard").write_bytes((tmp_path / "a.shard").read_bytes()[:-4])
    with pytest.raises(ConfigError, match=r"a\.shard is damaged"):
        Shard.open(tmp_path / "a.shard")
    with pytest.raises(ConfigError, match="Pack the training set first"):
        Shard.open(tmp_path / "none.shard")


def test_a_folder_without_books_is_named_and_a_damaged_archive_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"books\.tar\.xz"):
        read_library(tmp_path)
    (tmp_path / "books.tar.xz").write_bytes(lzma.compress(b"not a tar")[:-3])
    with pytest.raises(ConfigError, match=r"books\.tar\.xz is not"):
        read_library(tmp_path)


def test_a_books_markdown_goes_and_its_paragraphs_stay() -> None:
    book = parse_book(
        "# Title: A Tale\n\n## Author: A. Nobody\n\n-----\n\n## I\n\nIt  _was_\ufeff so.\n\n\n\nThe end.\n"
    )
    assert book == Book(title="A Tale", author="A. Nobody", text="It was so.\n\nThe end.")


def test_sentences_end_at_marks_and_not_within_names() -> None:
    text = 'Mr. J. Holmes came. "Is it you?" asked St. John. "It is!" The fire, said Dr. Watson, and Mrs. Hudson'
    assert sentences_of(text) == ["Mr. J. Holmes came.", '"Is it you?" asked St. John.', '"It is!"']
