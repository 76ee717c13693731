"""The facts of each fault of the runtime, and its prose: E06xx in `data`, E07xx in `runs`."""
