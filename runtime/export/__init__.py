"""`export`: a network for others to run, as ONNX, as a torch.export program, or as safetensors.

Comes in: a spec or a run, and where to write. Goes out: one file, or a stop with its diagnostic and no file. A file that exists has been
run in another process, where archc cannot be imported, at two batches and two sizes of every free dim, and gave there what the network
gives here.
"""
