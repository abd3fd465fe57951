"""Structured output: text that follows a JSON schema, a regular expression or a grammar, through llguidance."""

from server.grammar.compiler import GrammarCompiler
from server.grammar.state import GrammarState

__all__ = ["GrammarCompiler", "GrammarState"]
