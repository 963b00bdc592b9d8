"""What can be searched: the spaces of all systems, most of them lists of discrete decisions. No
Keras here.
"""

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.contracts.fidelity import EPOCHS, WithEpochs
from nasnet_tf.contracts.space import Space
from nasnet_tf.systems import SPACES
from nasnet_tf.systems import get_space as get
from nasnet_tf.systems.cells.spaces.amoeba import AmoebaNetSpace
from nasnet_tf.systems.cells.spaces.darts import DARTSSpace
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.cells.spaces.pnas import PNASSpace
from nasnet_tf.systems.dna.space import DNASpace
from nasnet_tf.systems.hierarchical.space import HierarchicalSpace
from nasnet_tf.systems.layerwise.space import LayerwiseSpace
from nasnet_tf.systems.nas_bench_201.space import NASBench201Space
from nasnet_tf.systems.recurrent.space import RecurrentSpace

Choices = CategoricalSpace  # its name until release 0.2; to be deleted with 0.3

__all__ = [
    "EPOCHS",
    "SPACES",
    "AmoebaNetSpace",
    "CategoricalSpace",
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
