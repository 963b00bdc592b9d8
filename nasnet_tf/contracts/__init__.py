"""What every system fulfils: genotypes and their JSON, search spaces as lists of decisions. No
Keras here.
"""
