"""The benchmark NAS-Bench-201. Source: Dong & Yang 2020, arXiv 2001.00326."""

from nasnet_tf.systems.nas_bench_201.figure import edges_figure
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201
from nasnet_tf.systems.nas_bench_201.graph import network_graph
from nasnet_tf.systems.nas_bench_201.space import NASBench201Space
from nasnet_tf.systems.system import System

__all__ = ["SYSTEM"]


def _network():
    from nasnet_tf.systems.nas_bench_201.network import NASBench201Network

    return NASBench201Network


SYSTEM = System(
    NASBench201,
    _network,
    spaces={"nas-bench-201": NASBench201Space},
    graph=network_graph,
    figure=edges_figure,
    native=True,
)
