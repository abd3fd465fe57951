"""Questions about embedded towns with the contexts that answer them: `mapqator demo questions`.

`town.py` opens a town, `compose.py` asks its map tools and makes contexts of the answers, `writers/` write questions
about them, and `write.py` puts both into a file. Every answer comes from a tool.
"""
