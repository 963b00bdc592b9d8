"""The cells of NAS-Bench-201. Source: Dong & Yang 2020, arXiv 2001.00326."""
