"""`data` and `train` to a plan and `program.py`. Comes in: a checked model and the declarations of the spec.

Goes out: graphs of functions and a `plan.TrainPlan`. Every name that the engine will look up is known to exist, and every column has
the type its input wants.
"""
