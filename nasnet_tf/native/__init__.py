"""Networks trained without a framework, by kernels compiled once for all of them."""

from nasnet_tf.lowered import labels_of
from nasnet_tf.native.network import NativeNetwork

__all__ = ["NativeNetwork", "labels_of"]
