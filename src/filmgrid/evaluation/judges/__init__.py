"""Judges read what frames of the procedural world show; they see no caption and no scene."""
