"""Pictures of cells and searches, and pages about searches. matplotlib is imported when something
is drawn; pyplot is never used.
"""

from nasnet_tf.report.comparison import write_comparison
from nasnet_tf.report.curves import draw_search
from nasnet_tf.report.page import write_page
from nasnet_tf.report.pareto import draw_pareto
from nasnet_tf.systems.figures import draw_genotype

__all__ = ["draw_genotype", "draw_pareto", "draw_search", "write_comparison", "write_page"]
