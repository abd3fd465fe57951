"""A training set of a few rows."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from server.assets.training.arrays import save_arrays
from server.assets.training.shards import WEIGHT_ONE, Kind, Row, Shard
from server.assets.training.tokenizer import save_tokenizer, train_tokenizer

TEXT = (
    "The rain had stopped, and the old man went out into the garden to look at his roses. He had lived in that house "
    "for thirty years, and he knew every stone of the path. - Phone: +1 506 555 0629. It is 109 m away.\n\n"
)


def _row(tokenizer: Tokenizer, question: str, reply: str, kind: Kind) -> Row:
    given = tokenizer.encode(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n").ids
    said = tokenizer.encode(f"{reply}<|im_end|>").ids
    weights = [10] * len(given) + [WEIGHT_ONE] * len(said) + [0]
    return Row(np.array([*given, *said, 0], np.uint16), np.array(weights, np.uint8), kind)


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training set of a few rows."""
    folder = tmp_path_factory.mktemp("data")
    tokenizer = train_tokenizer([TEXT], 400)
    save_tokenizer(tokenizer, folder)
    stream = np.array(tokenizer.encode(TEXT * 60).ids, np.uint16)
    save_arrays(folder / "text.arrays", {"books": stream, "held_out": stream[:1500], "wikitext": stream[:0]})
    for name, count in (("questions", 12), ("validation", 4), ("dialogues", 5)):
        kinds = (Kind.VERBATIM, Kind.JSON, Kind.NONE, Kind.TOOLS)
        rows = [_row(tokenizer, TEXT * (1 + i % 3), f"It is {i} m.", kinds[i % 4]) for i in range(count)]
        Shard.of(rows).save(folder / f"{name}.shard")
    (folder / "manifest.json").write_text("{}")
    return folder
