"""Turntables of meshes: a file becomes frames from GRID's cameras, and the cameras."""
