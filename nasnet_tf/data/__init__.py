"""One way in for every data set: the bundled digits, arrays, a folder of class folders, a TensorFlow Datasets name.

`load` gives arrays split into train, validation and test; `pipeline` turns a part into shuffled, augmented batches.
The only TensorFlow-bound room of the training side; TensorFlow is imported when it is first needed.
"""

from nasnet_tf.data.augment import Augmentation
from nasnet_tf.data.batches import pipeline
from nasnet_tf.data.dataset import DataSet
from nasnet_tf.data.sources import load

__all__ = ["Augmentation", "DataSet", "load", "pipeline"]
