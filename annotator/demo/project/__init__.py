"""The demo project: the embedded town's contexts, questions of every type with evidence, and a frozen dataset."""
