"""Passes: each takes a typed graph and gives a new one."""
