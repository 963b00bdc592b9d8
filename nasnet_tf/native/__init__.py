"""Networks trained without a framework, by kernels compiled once for all of them."""

from nasnet_tf.native.network import NativeNetwork, labels_of

__all__ = ["NativeNetwork", "labels_of"]
