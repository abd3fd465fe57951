"""The prompt flags that `serve` and `throughput` share, and the prompts they stand for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from server.bench import datasets
from server.bench.datasets import DatasetName, Lengths, Prompt
from server.bench.texts import Tokenizer
from server.errors import ConfigError


def _flag(help_text: str, *names: str, **limits: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel="Prompts", **limits)


@dataclass(frozen=True, slots=True)
class PromptFlags:
    """Which prompts to send; every field is a flag of the same name."""

    dataset_name: Annotated[DatasetName, _flag("Where the prompts come from.")] = "random"
    dataset_path: Annotated[Path | None, _flag("File with the sharegpt, sonnet or custom prompts.")] = None
    num_prompts: Annotated[int, _flag("Requests to make.", min=1)] = 1000
    seed: Annotated[int, _flag("Seed of prompts and arrivals.", min=0)] = 0
    random_input_len: Annotated[int, _flag("Tokens of a prompt.", "--random-input-len", "--input-len")] = 1024
    random_output_len: Annotated[int, _flag("Tokens to generate.", "--random-output-len", "--output-len")] = 128
    random_range_ratio: Annotated[float, _flag("Lengths vary within 1 ± this share of themselves.")] = 0.0
    random_prefix_len: Annotated[int, _flag("Tokens that all prompts begin with, on top.")] = 0
    prefix_repetition_prefix_len: Annotated[int, _flag("Tokens of a shared beginning.")] = 256
    prefix_repetition_suffix_len: Annotated[int, _flag("Tokens of each prompt's own after it.")] = 256
    prefix_repetition_num_prefixes: Annotated[int, _flag("Different beginnings.")] = 10
    prefix_repetition_output_len: Annotated[int, _flag("Tokens to generate.")] = 128
    sonnet_input_len: Annotated[int, _flag("Tokens of a prompt, at most.")] = 550
    sonnet_prefix_len: Annotated[int, _flag("Tokens of lines that all prompts begin with, at most.")] = 200
    sonnet_output_len: Annotated[int, _flag("Tokens to generate.", min=1)] = 150
    sharegpt_output_len: Annotated[int | None, _flag("Tokens to generate; as recorded if left out.", min=1)] = None
    custom_output_len: Annotated[int, _flag("Tokens to generate where a line does not say.", min=1)] = 256

    @property
    def is_random(self) -> bool:
        return self.dataset_name == "random"

    @property
    def lengths(self) -> Lengths:
        return Lengths(self.random_input_len, self.random_output_len, self.random_range_ratio, self.random_prefix_len)

    def texts(self, tokenizer: Tokenizer) -> list[Prompt]:
        """Prompts with text; raises `ConfigError` where the dataset cannot give any."""
        if self.dataset_name == "random":
            return datasets.random_texts(tokenizer, self.num_prompts, self.lengths, self.seed)
        if self.dataset_name == "prefix_repetition":
            return datasets.prefix_repetition(
                tokenizer,
                self.num_prompts,
                prefix_len=self.prefix_repetition_prefix_len,
                suffix_len=self.prefix_repetition_suffix_len,
                num_prefixes=self.prefix_repetition_num_prefixes,
                output_len=self.prefix_repetition_output_len,
                seed=self.seed,
            )
        if self.dataset_path is None:
            raise ConfigError(f"--dataset-name {self.dataset_name} needs --dataset-path")
        if self.dataset_name == "sharegpt":
            return datasets.sharegpt(
                tokenizer, self.num_prompts, self.dataset_path, output_len=self.sharegpt_output_len, seed=self.seed
            )
        if self.dataset_name == "custom":
            return datasets.custom(
                tokenizer, self.num_prompts, self.dataset_path, output_len=self.custom_output_len, seed=self.seed
            )
        return datasets.sonnet(
            tokenizer,
            self.num_prompts,
            self.dataset_path,
            input_len=self.sonnet_input_len,
            prefix_len=self.sonnet_prefix_len,
            output_len=self.sonnet_output_len,
            seed=self.seed,
        )
