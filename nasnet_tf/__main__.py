"""`python -m nasnet_tf` is the command `nasnet-tf`."""

from nasnet_tf.cli.main import run

if __name__ == "__main__":
    run()
