"""The land: coast and river, quarters and blocks, what stands on them."""
