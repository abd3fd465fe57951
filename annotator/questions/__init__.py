"""Questions: their types and gold answers, evidence, revisions, lint, and drafts."""
