"""Cells of blocks, stacked: NASNet, PNAS, AmoebaNet, DARTS."""
