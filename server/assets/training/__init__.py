"""How the embedded model is made: its words, its tasks, its network and its training."""
