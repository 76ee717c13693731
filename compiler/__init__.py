"""AST to typed graph to text. Comes in: `dsl` nodes. Goes out: a checked graph, PyTorch source, a plan.

Pure: no files, no devices, no torch.
"""
