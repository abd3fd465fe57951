"""Contexts: ordered lists of recorded map answers and notes, and their text, JSON and Markdown renderings."""
