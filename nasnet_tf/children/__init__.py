"""Child networks: trained one by one in processes of their own, on this machine or on a Ray
cluster.
"""
