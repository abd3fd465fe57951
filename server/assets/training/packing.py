"""Makes the training set: tokenizer, books, conversations, each in a file that is small and quick to draw from.

python -m server.assets.training.packing --questions FILES --text DIR --out DIR
"""

from server.assets.training.shards import WEIGHT_ONE, Kind, Row, Shard, TrainingSet

__all__ = ["WEIGHT_ONE", "Kind", "Row", "Shard", "TrainingSet"]
