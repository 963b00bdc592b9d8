"""The systems: a folder each, with all that is particular to it."""
