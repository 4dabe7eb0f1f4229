"""Numbers about frames: fidelity to a reference, and health without one."""
