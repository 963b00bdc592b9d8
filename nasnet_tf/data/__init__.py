"""Data sets of every source: the bundled digits, arrays, a folder of class folders, TensorFlow
Datasets; texts by `load_text`.

`load` returns arrays split into train, validation and test, or `Pictures` if they would not fit in
memory; `pipeline` turns a part into shuffled, augmented batches. TensorFlow is imported when it is
first needed.
"""

from nasnet_tf.data.augment import Augmentation
from nasnet_tf.data.batches import pipeline
from nasnet_tf.data.dataset import DataSet
from nasnet_tf.data.pictures import Pictures
from nasnet_tf.data.sources import load
from nasnet_tf.data.streaming import broken_picture, broken_pictures
from nasnet_tf.data.text import Text, load_text

__all__ = [
    "Augmentation",
    "DataSet",
    "Pictures",
    "Text",
    "broken_picture",
    "broken_pictures",
    "load",
    "load_text",
    "pipeline",
]
