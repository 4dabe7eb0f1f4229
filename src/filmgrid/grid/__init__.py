"""How a sequence is laid out as one image: layouts, references, wording, cameras."""
