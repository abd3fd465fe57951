"""Places: which there are, where, when they are open, and everything else about them."""
