"""Measuring sets of sequences: features, protocols, reports."""
