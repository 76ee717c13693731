"""What a trained model makes: texts token by token, and whatever else a kind in `kinds.py` is there for.

Comes in: a run, and what is wanted of it. Goes out: samples that know how they are said and how they are saved.
"""
