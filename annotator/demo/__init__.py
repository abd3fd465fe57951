"""The embedded town: fictional towns as real OpenStreetMap extracts, made from a seed.

The default town is `town.osm.pbf` beside this file. `mapqator demo town --out annotator/demo/town.osm.pbf` makes
it again, byte by byte. `make.py` tells in which steps a town comes about.
"""
