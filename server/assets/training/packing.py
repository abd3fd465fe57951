"""Makes the training set: tokenizer, books, conversations, each in a file that is small and quick to draw from.

    python -m server.assets.training.packing --questions FILES --text DIR --out DIR

`shards.TrainingSet` reads what it writes. The same files, shares and seed give the same bytes, whatever the number of
processes.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from server.assets.training.arrays import save_arrays
from server.assets.training.books import Library, read_library
from server.assets.training.dialogues import dialogues
from server.assets.training.encoding import Encoder, spread
from server.assets.training.questions import Drawing, names_in, parse_line
from server.assets.training.shards import WEIGHT_ONE, Ids, Kind, Row, Shard, TrainingSet, Weights
from server.assets.training.template import END_OF_TEXT
from server.assets.training.tokenizer import VOCAB_SIZE, save_tokenizer, train_tokenizer
from server.errors import ConfigError, RhumbError
from server.quality.lines import read_lines

__all__ = ["WEIGHT_ONE", "Ids", "Kind", "Packing", "Row", "Shard", "TrainingSet", "Weights", "pack"]


@dataclass(frozen=True, slots=True)
class Packing:
    """How a training set is made.

    Args:
        seed: of everything that is drawn.
        copies: conversations that a training line becomes, each drawn anew.
        max_tokens: longer conversations are left out.
        context_weight: loss weight of what the assistant does not write, in units of 1 / `WEIGHT_ONE`.
        vocab_size: of the tokenizer.
        tokenizer_chars: characters that the tokenizer learns from, half of them books.
        num_dialogues: conversations without maps.
        drawing: shares of forms and changes, for training lines.
    """

    seed: int = 0
    copies: int = 1
    max_tokens: int = 17_408
    context_weight: int = 10
    vocab_size: int = VOCAB_SIZE
    tokenizer_chars: int = 8_000_000
    num_dialogues: int = 20_000
    drawing: Drawing = field(default=Drawing())


@dataclass(frozen=True, slots=True)
class _Survey:
    """What a first reading of the files finds: every line's split, all names of training towns, a sample of texts."""

    splits: list[str]
    names: list[str]
    sample: list[str]


def pack(
    files: Sequence[Path], library: Library, out: Path, packing: Packing, *, executor: Executor | None = None
) -> TrainingSet:
    """Writes a training set into `out`, creating it.

    Args:
        files: of map questions. Lines of test towns are left out.
        library: natural text.
        out: a folder.
        packing: how.
        executor: encodes, if there is one.

    Raises:
        ConfigError: a file is not what it should be, or there is nothing to train on.
    """
    survey = _survey(files, packing.tokenizer_chars // 2)
    if not survey.splits.count("train"):
        raise ConfigError("these files hold no lines of the split train: make some with `mapqator demo questions`")
    out.mkdir(parents=True, exist_ok=True)
    texts = [*survey.sample, *_excerpts(library, packing.tokenizer_chars // 2)]
    tokenizer = train_tokenizer(texts, packing.vocab_size)
    save_tokenizer(tokenizer, out)

    encoder = Encoder(
        tokenizer, survey.names, packing.drawing, packing.seed, packing.context_weight, packing.max_tokens
    )
    jobs = ((*line, copy) for line in _lines_of("train", survey, files) for copy in range(packing.copies))
    chats = dialogues(library.training, packing.num_dialogues, packing.seed)
    parts = {
        "questions": Shard.of(spread(encoder.training_rows, jobs, executor)),
        "validation": Shard.of(spread(encoder.validation_rows, _lines_of("validation", survey, files), executor)),
        "dialogues": Shard.of(spread(encoder.rows, chats, executor)),
    }
    for name, shard in parts.items():
        shard.save(out / f"{name}.shard")
    texts_by_name = {
        "books": [book.text + END_OF_TEXT for book in library.training],
        "held_out": ["\n\n".join(book.text for book in library.held_out)],
        "wikitext": [library.wikitext],
    }
    streams = {name: _joined(encoder, texts, executor) for name, texts in texts_by_name.items()}
    save_arrays(out / "text.arrays", streams)

    manifest = {
        "packing": asdict(packing),
        "files": [path.name for path in files],
        "num_lines": dict(sorted(Counter(survey.splits).items())),
        "num_names": len(survey.names),
        "held_out_titles": [book.title for book in library.held_out],
        "held_out_num_bytes": len(texts_by_name["held_out"][0].encode()),
        "wikitext_num_bytes": len(library.wikitext.encode()),
        "shards": {name: _facts(shard) for name, shard in parts.items()},
        "texts": {name: {"num_tokens": len(ids)} for name, ids in streams.items()},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return TrainingSet(out)


def _survey(files: Sequence[Path], sample_chars: int) -> _Survey:
    splits: list[str] = []
    names: set[str] = set()
    sample: list[str] = []
    num_chars = 0
    for text, where in _lines(files):
        line = parse_line(text, where)
        splits.append(line["split"])
        if line["split"] != "train":
            continue
        names.update(names_in(line))
        # Every seventh line, so that the sample reaches far into the files.
        if len(splits) % 7 == 1 and num_chars < sample_chars:
            asked = [part for question in line["questions"] for part in (question["ask"], question["reply"])]
            sample += [line["contexts"]["text"], line["contexts"]["json"], "\n".join(asked)]
            num_chars += sum(map(len, sample[-3:]))
    return _Survey(splits, sorted(names), sample)


def _excerpts(library: Library, num_chars: int) -> Iterator[str]:
    """The same number of characters from the middle of each book."""
    each = num_chars // max(1, len(library.training))
    for book in library.training:
        start = max(0, (len(book.text) - each) // 2)
        yield book.text[start : start + each]


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """All lines, each with where it stands."""
    for path in files:
        for number, text in enumerate(read_lines(path), 1):
            yield text, f"{path}, line {number}"


def _lines_of(split: str, survey: _Survey, files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    pairs = zip(_lines(files), survey.splits, strict=True)
    return (line for line, found in pairs if found == split)


def _joined(encoder: Encoder, texts: Sequence[str], executor: Executor | None) -> Ids:
    streams = list(spread(encoder.streams, texts, executor))
    return np.concatenate(streams) if streams else np.empty(0, np.uint16)


def _facts(shard: Shard) -> dict[str, Any]:
    kinds = {kind.name: int(np.count_nonzero(shard.kinds & kind)) for kind in (Kind.JSON, Kind.TOOLS, Kind.VERBATIM)}
    return {
        "num_rows": shard.rows,
        "num_tokens": len(shard.ids),
        "num_written_tokens": int(np.count_nonzero(shard.weights == WEIGHT_ONE)),
        "longest_row": int(shard.lengths.max(initial=0)),
        "num_rows_by_kind": kinds,
    }


def _report(training_set: TrainingSet) -> None:
    for name, facts in {**training_set.manifest["shards"], **training_set.manifest["texts"]}.items():
        print(f"{name:12}", ", ".join(f"{key} {value}" for key, value in facts.items()))
    sizes = {path.name: path.stat().st_size for path in sorted(training_set.folder.iterdir())}
    for name, size in {**sizes, "all": sum(sizes.values())}.items():
        print(f"{name:24}{size / 1e6:8.2f} MB")


def main() -> None:
    """Runs the command line."""
    defaults = Packing()
    parser = argparse.ArgumentParser(
        prog="python -m server.assets.training.packing", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--questions", type=Path, nargs="+", required=True, help="files of map questions")
    parser.add_argument("--text", type=Path, required=True, help="folder with books.tar.xz")
    parser.add_argument("--out", type=Path, required=True, help="folder for the training set")
    parser.add_argument("--copies", type=int, default=defaults.copies, help="conversations from each line")
    parser.add_argument("--dialogues", type=int, default=defaults.num_dialogues, help="conversations without maps")
    parser.add_argument("--context-weight", type=int, default=defaults.context_weight, help="loss weight in percent")
    parser.add_argument("--books", type=int, default=None, help="read only so many books, for a quick try")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    packing = Packing(
        seed=args.seed, copies=args.copies, num_dialogues=args.dialogues, context_weight=args.context_weight
    )
    try:
        library = read_library(args.text, args.books)
        many = args.processes > 1
        with ProcessPoolExecutor(args.processes, get_context("spawn")) if many else nullcontext() as executor:
            _report(pack(args.questions, library, args.out, packing, executor=executor))
    except RhumbError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
