"""The command `nasnet-tf`: one file a subcommand, each a few calls into the other rooms."""

from nasnet_tf.cli.main import main

__all__ = ["main"]
