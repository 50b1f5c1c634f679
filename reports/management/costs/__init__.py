"""
The monthly bill of a fleet: prices from `prices.toml`, and what a report takes from `measured.json`.

`prices` and `measured` read these two files, or others of the same form; `bill` multiplies.
"""
