"""What a model of the world must reach: each figure of a model, beside its bar."""
