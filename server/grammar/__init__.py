"""Structured output: token masks that hold a request to a JSON schema, a regex or a grammar."""

from server.grammar.compiler import GrammarCompiler, GrammarState

__all__ = ["GrammarCompiler", "GrammarState"]
