"""Compiled kernels that take cells over time: built by the machine's own compiler, kept in a folder, called as operators of PyTorch."""
