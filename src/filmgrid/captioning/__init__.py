"""Captions by vision-language models: what they are asked, and what became of their answers."""
