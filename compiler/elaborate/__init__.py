"""AST to typed graph. Comes in: resolved declarations and hyperparameters. Goes out: a `Graph`.

In it every edge has a type, every `if` is decided, every stack is folded into runs of equal levels, and every relation that was decided
by values is written down as an assumption.
"""
