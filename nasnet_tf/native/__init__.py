"""Networks trained by compiled kernels of our own, without a framework: a new one costs nothing to
begin.
"""

from nasnet_tf.native.network import NativeNetwork, labels_of

__all__ = ["NativeNetwork", "labels_of"]
