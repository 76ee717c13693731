"""Data: sources, columns, splits, batches.

Sources are read with numpy alone: `sources` never imports torch, so the compiler may ask it for the columns of a file.
`parts` and `batches` are where tensors begin; nothing here imports them.
"""
