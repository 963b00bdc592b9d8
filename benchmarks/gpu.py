"""What the package does on an accelerator, through Keras' JAX backend, beside timm in the same run.

    python benchmarks/gpu.py [--stages dispatch,device,ours,timm,child] [--limit SECONDS]
        [--out FILE.json] [--toy]

Stages, each a process of its own so that no framework holds another's memory:

- dispatch: microseconds to start one small compiled function, alone and in a chain of 2,000.
- device: searched networks (N = 2, F = 16) trained by functions that are compiled once for all, one
  after the other: 2 epochs of 3,863 images of 32 px, in float32 and bfloat16.
- ours: training images per second of NASNet-A mobile (224 px) and large (331 px), mixed bfloat16.
- timm: the same of timm's nasnetalarge: channels last, autocast to bfloat16, torch.compile.
- child: the same networks as Keras traces, compiles and trains each.

Data lies on the device; a step is forward, backward and an update of SGD with momentum. One JSON
object a result goes to standard output as soon as it is there, so a run that is cut short still
says what it found. `--toy` runs tiny shapes on a CPU.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

STAGES = ("dispatch", "device", "ours", "timm", "child")
TIMED_STEPS, ROUNDS = 10, 3


def tell(**result):
    print(
        json.dumps(
            {
                key: round(value, 4) if isinstance(value, float) else value
                for key, value in result.items()
            }
        ),
        flush=True,
    )


def throughput(step, wait, batch):
    """(seconds until the first step was done, images per second as the median of several
    rounds).
    """
    began = time.perf_counter()
    step()
    wait()
    first = time.perf_counter() - began
    step()
    wait()
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TIMED_STEPS):
            step()
        wait()
        rates.append(batch * TIMED_STEPS / (time.perf_counter() - began))
    return first, statistics.median(rates)


def dispatch(toy):
    import jax
    import jax.numpy as jnp

    tell(stage="dispatch", device=jax.devices()[0].device_kind, jax=jax.__version__)
    function = jax.jit(lambda x: x * 1.0001 + 1e-6, donate_argnums=0)
    x = jax.block_until_ready(function(jnp.zeros((64, 16, 16, 16))))
    calls = 100 if toy else 2000
    began = time.perf_counter()
    for _ in range(calls):
        x = function(x)
    queued = time.perf_counter() - began
    jax.block_until_ready(x)
    done = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(calls // 10):
        x = jax.block_until_ready(function(x))
    alone = (time.perf_counter() - began) / (calls // 10)
    tell(
        stage="dispatch",
        queued_us=1e6 * queued / calls,
        chained_us=1e6 * done / calls,
        alone_us=1e6 * alone,
    )


def device(toy):
    import device_children

    images, size, children = (80, "1,4", 1) if toy else (4829, "2,16", 12)
    arrays = device_children.data_of("noise", images)  # a fifth of them is for validation
    for dtype in ("float32", "bfloat16"):
        given = argparse.Namespace(
            arrays=arrays, size=size, children=children, epochs=1 if toy else 2, dtype=dtype
        )
        for result in device_children.by_device(given):
            tell(stage="device", dtype=dtype, **result)


def training_step(model):
    """A step of SGD with momentum on `model`, compiled by JAX: (step(images, labels), wait())."""
    import jax
    import keras

    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    optimizer.build(model.trainable_variables)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss(trainable, others, images, labels):
        logits, others = model.stateless_call(trainable, others, images, training=True)
        return cross_entropy(labels, logits), others

    def update(state, images, labels):
        trainable, others, slots = state
        (value, others), gradients = jax.value_and_grad(loss, has_aux=True)(
            trainable, others, images, labels
        )
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, others, slots), value

    compiled = jax.jit(update, donate_argnums=0)
    kept = [model.trainable_variables, model.non_trainable_variables, optimizer.variables]
    state, value = tuple([variable.value for variable in group] for group in kept), None

    def step(images, labels):
        nonlocal state, value
        state, value = compiled(state, images, labels)

    return step, lambda: jax.block_until_ready(value)


def ours(toy):
    import jax
    import numpy as np

    from nasnet_tf.zoo import NASNetA

    sizes = {"mobile": (224, 256), "large": (331, 64)}
    if toy:
        sizes = {"mobile": (32, 2)}
    for variant, (side, batch) in sizes.items():
        arguments = dict(num_cells=1, filters=8) if toy else {}
        began = time.perf_counter()
        model = NASNetA(
            variant,
            classes=1000,
            input_shape=(side, side, 3),
            classifier_activation=None,
            dtype="mixed_bfloat16",
            **arguments,
        )
        built = time.perf_counter() - began
        step, wait = training_step(model)
        rng = np.random.default_rng(0)
        images = jax.device_put(rng.normal(size=(batch, side, side, 3)).astype("float32"))
        labels = jax.device_put(rng.integers(0, 1000, batch))
        first, rate = throughput(lambda step=step, x=images, y=labels: step(x, y), wait, batch)
        tell(
            stage="ours",
            network=variant,
            side=side,
            batch=batch,
            build_s=built,
            first_step_s=first,
            images_per_s=rate,
        )


def timm(toy):
    import timm
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    side, batch = (96, 2) if toy else (331, 64)
    model = (
        timm.create_model("nasnetalarge", num_classes=1000)
        .to(device, memory_format=torch.channels_last)
        .train()
    )
    images = torch.randn(batch, 3, side, side, device=device).contiguous(
        memory_format=torch.channels_last
    )
    labels = torch.randint(0, 1000, (batch,), device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def step_of(forward):
        def step():
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16):
                value = cross_entropy(forward(images), labels)
            value.backward()
            optimizer.step()

        return step

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for way, forward in {
        "eager": lambda: model,
        "torch.compile": lambda: torch.compile(model),
    }.items():
        if toy and way != "eager":
            continue
        first, rate = throughput(step_of(forward()), wait, batch)
        tell(
            stage="timm",
            network="nasnetalarge",
            way=way,
            side=side,
            batch=batch,
            first_step_s=first,
            images_per_s=rate,
        )


def child(toy):
    import keras
    import numpy as np

    from nasnet_tf.network import Network
    from nasnet_tf.spaces import SPACES

    space = SPACES["nasnet"]()
    count, epochs, size = (
        (64, 1, dict(num_cells=1, filters=4)) if toy else (3863, 2, dict(num_cells=2, filters=16))
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(count, 32, 32, 3)).astype("float32"), rng.integers(0, 10, count)
    for number in range(1 if toy else 2):
        began = time.perf_counter()
        network = Network(
            space.decode(space.random(rng)), classes=10, input_shape=(32, 32, 3), **size
        )
        network.compile(
            keras.optimizers.SGD(0.025, momentum=0.9),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        history = network.fit(x, y, validation_split=0.1, batch_size=64, epochs=epochs, verbose=0)
        tell(
            stage="child",
            way="Keras, JAX",
            number=number,
            seconds=time.perf_counter() - began,
            loss=history.history["loss"][-1],
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--limit", type=float, default=360, help="seconds a stage may take")
    parser.add_argument(
        "--out", type=pathlib.Path, help="a JSON file of all results, with the card's name"
    )
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        return globals()[given.stage](given.toy)
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    # XLA searches for the quickest kernels, without which networks are up to 60 times as slow, but
    # does not check what each computes
    environment.setdefault("XLA_FLAGS", "--xla_gpu_autotune_level=2")
    results = []
    for stage in given.stages.split(","):
        command = [sys.executable, __file__, "--stage", stage, *(["--toy"] if given.toy else [])]
        try:
            run = subprocess.run(
                command, env=environment, timeout=given.limit, stdout=subprocess.PIPE, text=True
            )
            printed, failed = run.stdout, run.returncode and f"exit status {run.returncode}"
        except subprocess.TimeoutExpired as late:
            printed, failed = (late.stdout or b"").decode(), f"not done after {given.limit:g} s"
        results += [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        if failed:
            results.append({"stage": stage, "failed": failed})
        for result in results:
            if result["stage"] == stage:
                print(json.dumps(result), flush=True)
        if given.out:
            given.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
