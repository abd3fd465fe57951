"""Rhumb's inference server: an OpenAI-compatible API over a paged, continuously batching engine."""

__version__ = "0.1.0"
