"""How clean latents become noise and back: flow, schedules, noise, variance-preserving models."""
