"""Files, datasets and the procedural world: everything that is or becomes frames."""
