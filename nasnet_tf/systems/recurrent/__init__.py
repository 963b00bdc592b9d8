"""Recurrent cells for language models. Source: Zoph & Le 2017, arXiv 1611.01578, section 3.4."""
