"""Serving: the studio and its jobs, over a service that loses nothing."""
