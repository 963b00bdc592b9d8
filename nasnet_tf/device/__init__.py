"""Networks trained by functions that JAX compiles once for all of them, on whatever it computes
with: `nasnet_tf.native` for an accelerator.
"""

from nasnet_tf.device.network import DeviceNetwork

__all__ = ["DeviceNetwork"]
