"""Rows, books and passkeys are drawn as they should be, and what is learned and judged are their answers."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from server.assets.training.batch import Batch, find_targets
from server.assets.training.curriculum import default_plan
from server.assets.training.evaluate import answers_right
from server.assets.training.network import Network, Shape
from server.assets.training.passkey import Passkey
from server.assets.training.rows import DeviceRows, Prose
from server.assets.training.shards import WEIGHT_ONE, Kind, Shard, TrainingSet
from server.assets.training.sources import open_sources
from server.assets.training.step import loss_of, room_for
from server.assets.training.symbols import plain_symbols, symbols_of
from server.assets.training.tasks import Draw

SHAPE = Shape(
    vocab_size=64, hidden_size=32, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=16, intermediate_size=48
)


def test_every_part_of_the_default_plan_can_be_drawn(training_data: Path) -> None:
    sources, _ = open_sources(training_data, torch.device("cpu"), seed=0)
    seen = set()
    for part in (part for stage in default_plan().stages for part in stage.parts):
        kind = (part.task, part.options.get("style"))
        if kind not in seen and part.length <= 1024 and sources.has(part):
            seen.add(kind)
            batch, num_targets = sources.draw(part, 2, 1, {})
            assert batch.ids.shape == (2, part.length)
            found = (batch.weights[:, 1:] > 0).sum(1)
            assert found.sum() > 0
            assert (found.numpy() <= num_targets).all()
    assert {task for task, _ in seen} >= {"copying", "lookup", "records", "smallest", "passkey", "books", "questions"}


def test_rows_come_once_each_before_any_comes_again(training_data: Path) -> None:
    shard = Shard.open(training_data / "questions.shard")
    rows = DeviceRows(shard, torch.device("cpu"), "questions")
    numbers = rows.rows_of(256)
    assert len(numbers) >= 3
    texts = {tuple(shard.row(int(n))[0].tolist()): int(n) for n in numbers}

    def drawn_in(seed: int) -> Iterator[int]:
        drawn: dict[str, int] = {}
        for _ in range(4):
            batch, _ = rows.draw(Draw(plain_symbols(64), len(numbers) - 1, 256, 0), drawn, seed=seed)
            for ids in batch.ids.tolist():
                yield next(number for text, number in texts.items() if tuple(ids[: len(text)]) == text)

    order = list(drawn_in(0))
    for first in range(0, len(order) - len(numbers) + 1, len(numbers)):
        assert Counter(order[first : first + len(numbers)]) == Counter(numbers.tolist())
    assert order == list(drawn_in(0)) != list(drawn_in(1))


def test_rows_are_padded_weighed_and_chosen_by_kind(training_data: Path) -> None:
    shard = Shard.open(training_data / "questions.shard")
    rows = DeviceRows(shard, torch.device("cpu"), "questions")
    for only, has_flags in (
        ("", lambda kind: True),
        ("VERBATIM", lambda kind: bool(kind & Kind.VERBATIM)),
        ("!JSON+!TOOLS", lambda kind: not kind & (Kind.JSON | Kind.TOOLS)),
    ):
        wanted = [i for i in range(shard.rows) if 128 < shard.lengths[i] <= 256 and has_flags(shard.kinds[i])]
        assert rows.rows_of(256, only).tolist() == wanted
    number = rows.rows_of(256)[:1]
    ids, weights = shard.row(int(number[0]))
    batch = rows.take(number, 256)
    assert batch.ids[0].tolist() == ids.tolist() + [0] * (256 - len(ids))
    assert batch.weights[0].tolist() == pytest.approx([w / WEIGHT_ONE for w in weights] + [0] * (256 - len(ids)))
    assert rows.num_targets(number).tolist() == [int((weights > 0).sum())]
    judged = rows.take(number, 256, min_weight=1.0).weights[0]
    assert int((judged > 0).sum()) == int(rows.num_targets(number, min_weight=1.0)[0])
    assert int((judged > 0).sum()) == int((weights == WEIGHT_ONE).sum())


@pytest.mark.parametrize("depth", [None, 0.0, 1.0])
def test_a_passkey_stands_in_the_book_and_is_asked_for_at_the_end(training_data: Path, depth: float | None) -> None:
    tokenizer = Tokenizer.from_file(str(training_data / "tokenizer.json"))
    symbols = symbols_of(tokenizer)
    passkey = Passkey(tokenizer, symbols, Prose(TrainingSet(training_data).books, torch.device("cpu")))
    for seed in range(4):
        batch = passkey.one(Draw(symbols, 2, 256, seed), depth=depth)
        for ids, weights in zip(batch.ids, batch.weights, strict=True):
            key = tokenizer.decode(ids[weights == 1].tolist())
            told, _, reply = tokenizer.decode(ids.tolist(), skip_special_tokens=False).partition("<|im_end|>\n")
            assert key.isdigit()
            assert 5 <= len(key) <= 7
            assert f" {key}" in told
            assert reply.startswith(f"<|im_start|>assistant\n{key}<|im_end|>")
            if depth is not None:
                assert (told.index(key) < len(told) / 3) == (depth == 0.0)
    batch = passkey.several(Draw(symbols, 2, 512, 0), count=3)
    for ids in batch.ids:
        told, *turns = tokenizer.decode(ids.tolist(), skip_special_tokens=False).split(
            "<|im_end|>\n<|im_start|>assistant\n"
        )
        questions = [told, *turns][:3]
        for question, reply in zip(questions, turns, strict=True):
            name = question.rsplit("What is the pass key of", 1)[1].removesuffix("?")
            assert f"The pass key of{name} is {reply.partition('<|im_end|>')[0]}." in told


def test_an_answer_is_right_only_if_all_its_tokens_are() -> None:
    class Parrot(Network):
        """Predicts the token after the one it sees."""

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(ids + 1, 64).float()

        def logits(self, hidden: torch.Tensor) -> torch.Tensor:
            return hidden

    ids = torch.tensor([[1, 2, 3, 9, 10, 11, 4], [5, 7, 8, 20, 21, 30, 31]])
    weights = torch.tensor([[0, 1, 1, 0.1, 1, 1, 0], [0, 1, 1, 0.1, 1, 0, 1]])
    # Row 1: "2 3" right, "10 11" right. Row 2: "7 8" wrong at 7, "21" right, "31" right.
    assert answers_right(Parrot(SHAPE, seed=0), Batch(ids, weights)) == (4, 5)


def test_the_loss_is_the_weighted_mean_over_targets_whatever_the_room() -> None:
    network = Network(SHAPE, seed=0)
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.randint(64, (3, 16), generator=generator), torch.rand(3, 16, generator=generator).round(decimals=1)
    )
    hidden = network(batch.ids)
    logits = network.logits(hidden)[:, :-1].flatten(0, 1)
    losses = torch.nn.functional.cross_entropy(logits, batch.ids[:, 1:].flatten(), reduction="none")
    weights = batch.weights[:, 1:].flatten()
    for room in (45, 48, 60):
        loss, figures = loss_of(network, hidden.flatten(0, 1), find_targets(batch, room))
        torch.testing.assert_close(loss, (losses * weights).sum())
        torch.testing.assert_close(loss.detach(), figures[0])
        assert float(figures[1]) == pytest.approx(float(weights.sum()))
    assert [room_for(1600, count) for count in (100, 101, 400, 401, 1600)] == [100, 400, 400, 1600, 1600]
