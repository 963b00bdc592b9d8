"""The KerasHub backbone: KerasHub's own test of it, our cells and the original graph's outputs in
it, presets.
"""

import json
import pathlib
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from nasnet_tf.genotype import NASNET_A, Block, Cell, Genotype
from nasnet_tf.network import Network
from nasnet_tf.zoo import list_models, load_weights

GOLDEN = pathlib.Path(__file__).parents[1] / "data" / "mobile_n1_f8_80px.npz"
TINY = dict(num_cells=1, filters=8)
ONE_BLOCK = Genotype(
    *2 * (Cell((Block(0, "sep_conv_3x3", 1, "identity"),), (2,)),)
)  # quick to build


@pytest.fixture(scope="module")
def keras_hub():
    return pytest.importorskip("keras_hub", reason="keras-hub is not installed")


@pytest.fixture(scope="module")
def backbones(keras_hub):
    """NASNetBackbone, the class."""
    from nasnet_tf.zoo.keras_hub import NASNetBackbone

    return NASNetBackbone


@pytest.fixture(scope="module")
def tiny(backbones):
    return backbones(**TINY)


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def equal_weights(one, two):
    return len(one.weights) == len(two.weights) and all(
        map(np.array_equal, one.get_weights(), two.get_weights())
    )


@pytest.mark.slow
def test_without_kerashub_the_zoo_is_whole_and_the_backbone_says_what_to_install():
    code = (
        "import sys, nasnet_tf.zoo\nassert 'keras_hub' not in sys.modules\nsys.modules['keras_hub']"
        " = None\ntry: import nasnet_tf.zoo.keras_hub\nexcept ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[2],
    )
    assert (
        done.stdout
        == "nasnet_tf.zoo.keras_hub needs KerasHub, which is not installed: pip install keras-hub\n"
    )


@pytest.mark.slow
def test_kerashubs_own_test_of_a_vision_backbone_passes(backbones):
    """Configuration, serialization, eager and compiled calls, three dtype policies, pyramid;
    quantization, though of Dense layers only.
    """
    tests = pytest.importorskip(
        "keras_hub.src.tests.test_case",
        reason="KerasHub's tests need what they import: pip install grain",
    )
    tests.TestCase().run_vision_backbone_test(
        backbones,
        init_kwargs=TINY,
        input_data=keras.ops.ones((2, 64, 64, 3)),
        expected_output_shape=(2, 2, 2, 6 * 4 * 8),
        expected_pyramid_output_keys=["P2", "P3", "P4", "P5"],
        expected_pyramid_image_sizes=[(16, 16), (8, 8), (4, 4), (2, 2)],
        # of channels first, which we refuse; KerasHub itself looks only where there is a GPU
        run_data_format_check=False,
    )


# ---- the same cells ----


def test_a_backbone_is_the_network_without_its_classifier(tiny):
    network = Network(NASNET_A, **TINY, stem="imagenet", input_shape=(64, 64, 3), include_top=False)
    assert [layer.name for layer in tiny.layers] == [layer.name for layer in network.layers]
    network.set_weights(tiny.get_weights())
    x = images(2, 64, 64, 3)
    np.testing.assert_allclose(tiny(x), network(x), rtol=1e-5, atol=1e-5)


def test_the_pyramid_is_that_of_the_original_graph(backbones):
    with np.load(GOLDEN) as file:
        arrays = dict(file)
    weights = {
        name.removeprefix("weight|"): array
        for name, array in arrays.items()
        if name.startswith("weight|")
    }
    network = Network(NASNET_A, **TINY, stem="imagenet", classes=7, input_shape=(80, 80, 3))
    backbone = backbones(**TINY)
    load_weights(network, weights)
    backbone.set_weights(network.get_weights()[:-2])  # all but the classifier's
    outputs = keras.Model(backbone.input, backbone.pyramid_outputs)(arrays["x"])
    for level, name in {"P3": "Cell_0", "P4": "Cell_1", "P5": "Cell_2"}.items():
        expected = arrays[f"eval|{name}"]
        assert np.linalg.norm(outputs[level] - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    "stem, num_cells, strides",
    [
        ("imagenet", 1, {"P2": 4, "P3": 8, "P4": 16, "P5": 32}),
        ("imagenet", (1, 0, 1), {"P2": 4, "P3": 8, "P4": 16, "P5": 32}),
        ("cifar", 1, {"P0": 1, "P1": 2, "P2": 4}),
    ],
)
def test_every_level_is_as_much_smaller_than_the_image_as_its_name_says(
    backbones, stem, num_cells, strides
):
    backbone = backbones(ONE_BLOCK, num_cells, 8, stem, image_shape=(96, 64, 3))
    shapes = {level: tuple(output.shape[1:3]) for level, output in backbone.pyramid_outputs.items()}
    assert shapes == {level: (96 // stride, 64 // stride) for level, stride in strides.items()}


def test_a_level_is_the_last_cell_of_its_resolution(tiny):
    layers = [output._keras_history.operation.name for output in tiny.pyramid_outputs.values()]
    assert layers == ["cell_stem_0", "cell_0", "cell_1", "cell_2"]


def test_images_of_any_size_are_taken(tiny):
    assert tiny.input_shape == (None, None, None, 3)
    assert [tiny(images(1, size, 64, 3)).shape[1:3] for size in (64, 96)] == [(2, 2), (3, 2)]


# ---- arguments ----


@pytest.mark.parametrize(
    "genotype",
    ["nasnet_a", ONE_BLOCK, json.loads(ONE_BLOCK.to_json())],
    ids=["name", "genotype", "json"],
)
def test_a_configuration_makes_the_same_backbone(backbones, genotype):
    arguments = dict(
        num_cells=[1, 0, 1],
        filters=6,
        stem="cifar",
        stem_filters=5,
        skip_reduction=True,
        image_shape=[None, 32, 1],
    )
    backbone = backbones(genotype, **arguments, dtype="bfloat16", name="mine", trainable=False)
    config = backbone.get_config()
    again = backbones.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert again.genotype == (NASNET_A if genotype == "nasnet_a" else ONE_BLOCK)
    assert (
        config
        | arguments
        | dict(num_cells=(1, 0, 1), image_shape=(None, 32, 1), name="mine", trainable=False)
        == config
    )
    assert [w.shape for w in again.weights] == [w.shape for w in backbone.weights]
    assert {w.dtype for w in again.weights} == {"bfloat16"}


def test_a_saved_backbone_loads_as_one(backbones, tmp_path):
    backbone = backbones(ONE_BLOCK, **TINY)
    backbone.save(tmp_path / "backbone.keras")
    loaded = keras.models.load_model(tmp_path / "backbone.keras")
    assert isinstance(loaded, backbones)
    assert equal_weights(loaded, backbone)


def test_channels_first_is_refused(backbones):
    with pytest.raises(
        ValueError,
        match=(
            r"data_format is 'channels_first'; .*\(height, width, channels\) only: leave"
            r" data_format out"
        ),
    ):
        backbones(**TINY, data_format="channels_first")


def test_channels_first_for_all_of_keras_is_refused(backbones):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(
            ValueError,
            match=(
                "Keras's image_data_format is 'channels_first'; .* set"
                " keras.config.set_image_data_format"
            ),
        ):
            backbones(**TINY)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    "genotype, error, message",
    [
        (
            ["nasnet_a"],
            TypeError,
            (
                r"genotype is \['nasnet_a'\]; give the name of a published one, a Genotype, or the"
                r" dict of its JSON"
            ),
        ),
        ("nasnet_b", ValueError, "no genotype 'nasnet_b'; there are nasnet_a"),
        ({"normal": 1}, ValueError, "not a genotype"),
    ],
    ids=str,
)
def test_what_is_no_genotype_is_refused(backbones, genotype, error, message):
    with pytest.raises(error, match=message):
        backbones(genotype)


# ---- presets ----


@pytest.mark.parametrize(
    "name",
    ["nasnet_a_mobile", pytest.param("nasnet_a_large", marks=pytest.mark.slow), "nasnet_a_cifar"],
)
def test_a_preset_of_ours_needs_no_network_and_has_the_parameters_it_says(
    backbones, monkeypatch, name
):
    monkeypatch.setattr(socket, "socket", None)
    backbone = backbones.from_preset(name, load_weights=False, image_shape=(64, 64, 3))
    assert backbone.count_params() == backbones.presets[name]["metadata"]["params"]
    assert backbone.input_shape == (None, 64, 64, 3)


def test_the_presets_are_the_variants_of_the_zoo(backbones):
    assert list(backbones.presets) == [
        name for name in list_models() if name.startswith("nasnet_a_")
    ]


def test_a_preset_whose_size_has_no_weights_says_which_have(backbones):
    with pytest.raises(
        ValueError, match="there are ImageNet weights of NASNet-A mobile .* and large"
    ):
        backbones.from_preset("nasnet_a_cifar")


def test_any_other_preset_is_left_to_kerashub(backbones):
    with pytest.raises(ValueError, match="Unknown preset identifier"):
        backbones.from_preset("nasnet_a_huge")


def test_a_folder_keeps_the_backbone_and_its_weights(keras_hub, backbones, tmp_path):
    backbone = backbones(ONE_BLOCK, (1, 0, 1), 8)
    backbone.save_to_preset(str(tmp_path))
    for loader in (backbones, keras_hub.models.Backbone):
        loaded = loader.from_preset(str(tmp_path), dtype="mixed_bfloat16")
        assert isinstance(loaded, backbones)
        assert loaded.genotype == ONE_BLOCK
        assert loaded.num_cells == (1, 0, 1)
        assert loaded.compute_dtype == "bfloat16"
        assert equal_weights(loaded, backbone)
    assert not equal_weights(backbones.from_preset(str(tmp_path), load_weights=False), backbone)


# ---- what KerasHub builds on it ----


def test_a_kerashub_classifier_trains_on_it(keras_hub, backbones):
    classifier = keras_hub.models.ImageClassifier(
        backbone=backbones(ONE_BLOCK, **TINY), num_classes=3
    )
    classifier.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
    )
    kernel = classifier.backbone.weights[0]
    before = np.array(kernel)
    classifier.train_on_batch(images(2, 32, 32, 3), np.array([0, 2]))
    assert not np.array_equal(kernel, before)


def test_a_kerashub_feature_pyramid_stands_on_it(keras_hub, backbones):
    encoder = backbones(ONE_BLOCK, **TINY)
    pyramid = keras_hub.models.RetinaNetBackbone(
        image_encoder=encoder, min_level=3, max_level=5, use_p5=False
    )
    shapes = {
        level: tuple(output.shape[1:]) for level, output in pyramid(images(1, 64, 64, 3)).items()
    }
    assert shapes == {"P3": (8, 8, 256), "P4": (4, 4, 256), "P5": (2, 2, 256)}


# ---- the classifier ----


@pytest.fixture(scope="module")
def hub(keras_hub):
    """Our module for KerasHub."""
    from nasnet_tf.zoo import keras_hub as hub

    return hub


def classifier_of(hub, side=32):
    from keras_hub import layers, models

    converter = layers.ImageConverter(image_size=(side, side), scale=1 / 127.5, offset=-1.0)
    preprocessor = models.ImageClassifierPreprocessor(image_converter=converter)
    backbone = hub.NASNetBackbone(ONE_BLOCK, **TINY, image_shape=(side, side, 3))
    return dict(backbone=backbone, preprocessor=preprocessor, num_classes=3)


@pytest.mark.slow
def test_kerashubs_own_test_of_a_task_passes(hub):
    """Serialization, prediction and training on arrays and data sets, with the preprocessor inside
    and outside.
    """
    tests = pytest.importorskip(
        "keras_hub.src.tests.test_case",
        reason="KerasHub's tests need what they import: pip install grain",
    )
    x = np.random.default_rng(0).uniform(0, 255, (2, 40, 40, 3)).astype("float32")
    tests.TestCase().run_task_test(
        hub.NASNetImageClassifier,
        classifier_of(hub),
        (x, np.array([0, 2])),
        expected_output_shape=(2, 3),
    )


def test_a_classifier_comes_back_from_a_folder_by_its_class_and_by_that_of_kerashub(
    keras_hub, hub, tmp_path
):
    classifier = hub.NASNetImageClassifier(**classifier_of(hub))
    classifier.save_to_preset(str(tmp_path))
    x = np.random.default_rng(0).uniform(0, 255, (2, 40, 40, 3)).astype("float32")
    expected = classifier.predict(x, verbose=0)
    for loader in (hub.NASNetImageClassifier, keras_hub.models.ImageClassifier):
        there = loader.from_preset(str(tmp_path))
        assert type(there) is hub.NASNetImageClassifier
        np.testing.assert_allclose(there.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
    other = keras_hub.models.ImageClassifier.from_preset(str(tmp_path), num_classes=5)
    assert other.predict(x, verbose=0).shape == (2, 5)
    assert equal_weights(other.backbone, classifier.backbone)


def test_a_folder_of_the_base_class_is_refused_with_the_mend(keras_hub, hub, tmp_path):
    keras_hub.models.ImageClassifier(
        backbone=hub.NASNetBackbone(ONE_BLOCK, **TINY), num_classes=3
    ).save_to_preset(str(tmp_path))
    with pytest.raises(ValueError, match="num_classes is missing.*save a NASNetImageClassifier"):
        keras_hub.models.ImageClassifier.from_preset(str(tmp_path))
    assert (
        keras_hub.models.ImageClassifier.from_preset(str(tmp_path), num_classes=3).num_classes == 3
    )


def test_a_classifier_comes_back_from_a_keras_file(hub, tmp_path):
    classifier = hub.NASNetImageClassifier(**classifier_of(hub))
    classifier.save(tmp_path / "m.keras")
    there = keras.saving.load_model(tmp_path / "m.keras")
    assert type(there) is hub.NASNetImageClassifier and equal_weights(there, classifier)


def test_frozen_layers_of_a_backbone_stay_frozen(backbones, tmp_path):
    backbone = backbones(ONE_BLOCK, **TINY)
    backbone.get_layer("stem").trainable = False
    backbone.get_layer("cell_0").freeze_batch_norms = True
    backbone.save(tmp_path / "m.keras")
    there = keras.saving.load_model(tmp_path / "m.keras")
    assert [weight.path for weight in there.trainable_weights] == [
        weight.path for weight in backbone.trainable_weights
    ]


def test_a_misspelt_argument_of_a_backbone_is_answered_with_the_nearest(backbones):
    with pytest.raises(
        TypeError, match="NASNetBackbone takes no argument 'filter', did you mean 'filters'"
    ):
        backbones(filter=8)
