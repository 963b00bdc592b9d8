"""Networks layer by layer. Source: Zoph & Le 2017, arXiv 1611.01578."""
