"""A trained network with other arguments: the start of fine-tuning."""

from __future__ import annotations

from nasnet_tf.model import FROZEN
from nasnet_tf.network import Network
from nasnet_tf.signatures import passes_on
from nasnet_tf.zoo.load import load_model
from nasnet_tf.zoo.weights import load_weights


@passes_on(Network, without=("genotype", "num_cells", "filters", "input_tensor"))
def adapt(source, **changes) -> Network:
    """A network like `source` but for `changes`, with its weights wherever they fit.

    A classifier for other classes begins anew; so does a stem for another number of channels. `network.weights_report` says what was
    taken. What it was trained on stays its normalization (`mean`, `std`), its batch norms keep their epsilon.

    Args:
        source: a `Network`, or the path of one saved as `.keras`.
        **changes: arguments of `nasnet_tf.network.Network`: classes, class_names, input_shape, dropout_rate, dtype, ...; not the
            genotype, num_cells or filters. What is frozen in `source` is frozen in the network, unless `trainable` is given.
    Raises: TypeError for another argument; ValueError if source is no `Network`, or a change makes it another network.
    """
    model = source if isinstance(source, Network) else load_model(source)
    if not isinstance(model, Network):
        raise ValueError(f"{source} holds a {type(model).__name__}, not a Network; see nasnet_tf.zoo.load_weights for other sources.")
    config = {**model.get_config(), **changes}
    if "trainable" in changes:
        config.pop(FROZEN, None)
    if "classes" in changes and changes["classes"] != model.get_config()["classes"] and "class_names" not in changes:
        config["class_names"] = None
    network = Network.from_config({**config, "genotype": model.get_config()["genotype"]})
    network.weights_report = load_weights(network, model, partial=True)
    return network
