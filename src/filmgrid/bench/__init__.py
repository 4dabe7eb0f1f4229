"""Speed and memory of tasks and models, side by side in one run."""
