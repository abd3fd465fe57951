"""How good a model's answers are, and what each variant costs in quality: `rhumb eval`."""
