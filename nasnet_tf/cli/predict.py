"""`nasnet-tf predict`: the classes of pictures."""

from __future__ import annotations

import json

import click

from nasnet_tf.cli import options

_LUMINANCE = [[0.299], [0.587], [0.114]]  # ITU-R BT.601


@click.command()
@click.argument("images", nargs=-1, required=True)
@click.option("--model", required=True, help="A network saved as .keras.")
@click.option("--top", type=options.POSITIVE, default=3, show_default=True, help="How many classes to name.")
@options.as_json
def predict(images, model, top, as_json):
    """Name the most likely classes of each of IMAGES."""
    network = options.load_model(model)
    from nasnet_tf import training
    from nasnet_tf.data.images import read_images

    height, width, channels = network.input_shape[1:]
    if height != width:
        raise ValueError(f"{model} takes pictures of {height} by {width}; predict can make square ones only.")
    pictures = read_images(images, height or 224)
    if channels == 1:
        pictures = pictures @ _LUMINANCE
    for image, probabilities in zip(images, training.predict(network, pictures), strict=True):
        names = getattr(network, "class_names", None) or [str(n) for n in range(len(probabilities))]
        best = [(names[n], float(probabilities[n])) for n in probabilities.argsort()[::-1][:top]]
        if as_json:
            click.echo(json.dumps({"image": image, "classes": [{"name": name, "probability": p} for name, p in best]}))
        else:
            click.echo(f"{image}\t" + "\t".join(f"{name} {p:.1%}" for name, p in best))
