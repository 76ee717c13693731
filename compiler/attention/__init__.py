"""Attention: what the index functions of an `attend` say, and how it is best computed.

Comes in: equations, an index function each. Goes out: the form that was recognised, and the lowering with its reason. Pure
analysis: nothing
here reads a spec or writes Python.
"""
