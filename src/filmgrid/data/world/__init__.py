"""A procedural world of moving shapes and turning things, with captions and exact ground truth."""
