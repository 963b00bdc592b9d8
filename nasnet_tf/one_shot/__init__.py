"""Shared weights: one network that holds every network of a space."""
