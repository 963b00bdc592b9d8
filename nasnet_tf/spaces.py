"""What can be searched: one space a file, most of them a list of discrete decisions (choices.py).
No Keras here.
"""

from nasnet_tf.contracts.categorical import Choices, Decision
from nasnet_tf.contracts.fidelity import EPOCHS, WithEpochs
from nasnet_tf.contracts.space import Space
from nasnet_tf.systems.cells.spaces.amoeba import AmoebaNetSpace
from nasnet_tf.systems.cells.spaces.darts import DARTSSpace
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.cells.spaces.pnas import PNASSpace
from nasnet_tf.systems.dna.space import DNASpace
from nasnet_tf.systems.hierarchical.space import HierarchicalSpace
from nasnet_tf.systems.layerwise.space import LayerwiseSpace
from nasnet_tf.systems.nas_bench_201.space import NASBench201Space
from nasnet_tf.systems.recurrent.space import RecurrentSpace
from nasnet_tf.systems.spaces import SPACES, get

__all__ = [
    "EPOCHS",
    "SPACES",
    "AmoebaNetSpace",
    "Choices",
    "DARTSSpace",
    "DNASpace",
    "Decision",
    "HierarchicalSpace",
    "LayerwiseSpace",
    "NASBench201Space",
    "NASNetSpace",
    "PNASSpace",
    "RecurrentSpace",
    "Space",
    "WithEpochs",
    "get",
]
