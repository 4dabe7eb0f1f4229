"""Who goes next: policies of serving, simulated and over the real mini."""
