"""Pipelines of diffusers that are timed beside ours. The only room that imports them."""
