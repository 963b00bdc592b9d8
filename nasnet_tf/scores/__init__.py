"""What says how good a genotype is without training it: cost, latency, untrained scores."""
