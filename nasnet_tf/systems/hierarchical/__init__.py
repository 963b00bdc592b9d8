"""Hierarchical representations: motifs of motifs. Source: Liu et al. 2018, arXiv 1711.00436."""
