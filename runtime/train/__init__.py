"""Training: the engine, and what it needs to survive. `api` is the door; it imports torch only after the data has been read."""
