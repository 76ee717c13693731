"""Graph to text: PyTorch source, JSON, diagrams, tables. Comes in: a checked graph. Goes out: strings; nothing is decided here any more."""
