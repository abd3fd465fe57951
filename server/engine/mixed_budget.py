"""How many prompt tokens a step computes beside rows that decode."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MixedBudget:
    """Usually `tokens`, decoding rows included; more while many prompts wait.

    A long queue of prompts gets larger steps: fewer steps then read all KV beside them, and whoever waits for a first
    token outnumbers those who wait a little longer for the next.

    Args:
        tokens: of a step without a queue.
        backlog_steps: in so many steps all waiting prompts should be computed, if that makes no step too long.
        most: how many times `tokens` a step may take when the queue is long.
    """

    tokens: int
    backlog_steps: int = 8
    most: int = 3

    def prompt_tokens(self, num_decoding: int, backlog: int) -> int:
        """Prompt tokens of a step in which so many rows decode, while `backlog` prompt tokens wait."""
        tokens = min(max(self.tokens, backlog // self.backlog_steps), self.most * self.tokens)
        # However many decode, prompts get on.
        return max(tokens - num_decoding, tokens // 4)
