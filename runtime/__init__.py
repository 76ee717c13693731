"""The world: files, devices, time. Runs what the compiler wrote; nothing below this floor knows of torch.

Importing this package, `archc.runtime.data` and `archc.runtime.faults` does not import torch.
"""
