"""The search spaces of cells, one a file."""
