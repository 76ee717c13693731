"""Passes: each takes a typed graph and gives a new one; `order` says which run, and when."""
