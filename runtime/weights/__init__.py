"""Weights from outside: a file of tensors under other names and in other forms, put into a network by a map.

Comes in: a network, a file that somebody else's program wrote, and a map that says for each tensor of the network what it is made of.
Goes out: the network with those weights, or faults that name every tensor of either side that is left over.
"""
