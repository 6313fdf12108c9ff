"""The checks by stage. Adding one: a function in `raw` or `marts`, then `python -m
expectations.index` renews the index that people read."""
