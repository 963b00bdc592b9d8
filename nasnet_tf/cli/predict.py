"""`nasnet-tf predict`: the classes of pictures."""

from __future__ import annotations

import json

import click

from nasnet_tf.cli import options

_LUMINANCE = [[0.299], [0.587], [0.114]]  # ITU-R BT.601
_CENTRAL = 0.875  # of an ImageNet picture: what slim evaluates its networks on (inception_preprocessing)


@click.command()
@click.argument("images", nargs=-1, required=True)
@click.option("--model", required=True, help="A network saved as .keras, or one with ImageNet's classes: mobile or large.")
@click.option("--weights", default="imagenet", show_default=True, help="Of mobile or large: imagenet, or a file.")
@click.option("--top", type=options.POSITIVE, default=3, show_default=True, help="How many classes to name.")
@options.as_json
def predict(images, model, weights, top, as_json):
    """Name the most likely classes of each of IMAGES."""
    from nasnet_tf.data.images import read_images

    network, central = (_imagenet(model, weights), _CENTRAL) if model in ("mobile", "large") else (options.load_model(model), None)
    from nasnet_tf import training

    if options.reads(getattr(network, "genotype", None)) == "text":
        raise ValueError(f"{model} is a language model, predict names the classes of pictures; nasnet-tf evaluate tells its perplexity.")
    height, width, channels = network.input_shape[1:]
    if height != width:
        raise ValueError(f"{model} takes pictures of {height} by {width}; predict can make square ones only.")
    pictures = read_images(images, height or 224, central_fraction=central)
    if channels == 1:
        pictures = pictures @ _LUMINANCE
    for image, probabilities in zip(images, training.predict(network, pictures), strict=True):
        names = getattr(network, "class_names", None) or [str(n) for n in range(len(probabilities))]
        best = [(names[n], float(probabilities[n])) for n in probabilities.argsort()[::-1][:top]]
        if as_json:
            click.echo(json.dumps({"image": image, "classes": [{"name": name, "probability": p} for name, p in best]}))
        else:
            click.echo(f"{image}\t" + "\t".join(f"{name} {p:.1%}" for name, p in best))


def _imagenet(variant, weights):
    """NASNet-A for pixels, with ImageNet's classes."""
    options.start_keras()
    from nasnet_tf.zoo import NASNetA
    from nasnet_tf.zoo.classes import class_names

    return NASNetA(variant, weights=weights, mean=[127.5] * 3, std=[127.5] * 3, class_names=class_names())
