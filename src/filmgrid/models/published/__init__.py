"""Architectures of published pipelines, at their own size and tiny, without a download."""
