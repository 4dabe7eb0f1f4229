"""Numbers about frames: fidelity, health, distances between sets, and how much of them is noise."""
