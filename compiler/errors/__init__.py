"""The faults of the compiler: the facts of each in one frozen dataclass, and its prose written once, one file a topic."""
