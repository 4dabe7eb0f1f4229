"""Backbones that predict velocities, the codecs before and after them, and their text."""
