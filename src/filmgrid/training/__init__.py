"""From a configuration to a trained model: batches, losses, optimisers, checkpoints."""
