"""The one sampler, guidance, and the tasks as small functions over it."""
