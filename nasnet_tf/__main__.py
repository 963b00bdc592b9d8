"""`python -m nasnet_tf` is the command `nasnet-tf`."""

import sys

if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False) and not sys.flags.isolated:
        # Python puts the current folder first, which may hold anything: it replaces no module.
        sys.path.append(sys.path.pop(0))

    from nasnet_tf.cli.main import run

    run()
