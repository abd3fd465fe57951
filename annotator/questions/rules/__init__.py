"""The rules of lint, by what they look at. `annotator.questions.lint` is their registry."""
