"""Large-scale evolution: graphs that grow from a single layer. Source: Real et al. 2017, arXiv
1703.01041.
"""
