"""Evaluation: models against frozen datasets, and variants of a model against each other."""
