"""Checkpoints of random transformers models."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedConfig, PreTrainedModel

from tests.models.dense import random_reference


@pytest.fixture
def save_random(tmp_path: Path) -> Callable[[PreTrainedConfig], tuple[PreTrainedModel, Path]]:
    """Builds a random transformers model and its checkpoint directory."""

    def build(config: PreTrainedConfig) -> tuple[PreTrainedModel, Path]:
        reference = random_reference(config)
        directory = tmp_path / "checkpoint"
        reference.save_pretrained(directory)
        return reference, directory

    return build
