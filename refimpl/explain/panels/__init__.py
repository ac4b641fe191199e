"""The panels, one module each: the numbers of one step of the computation."""
