"""A model that reads its tokens as they come: the same weights under the same keys, with a cache of what earlier tokens left behind.

Comes in: a typed graph and the name of the input that grows. Goes out: the graph of one step, and of what is computed once before all steps
(an encoder). In the step each attention keeps its keys and values, and every position is counted from the first token of all. What cannot
be computed token by token is refused with its reason, as `NotStreamed`.
"""
