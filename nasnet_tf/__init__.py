"""Search neural-network cells on your own data, scale them up, train and ship them; the home of
NASNet in Keras 3.
"""

__version__ = "0.1.0"

from nasnet_tf import moved

moved.install()


def __getattr__(name):
    if name not in ("auto", "search"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nasnet_tf import workflow

    return getattr(workflow, name)
