"""One-shot search: weights that all children share, and a controller that learns from the accuracy
of its children with these weights.

An epoch first trains the shared weights on every training batch, each with another child that the
controller proposes; then it updates the controller a few times, by the accuracy of its children on
validation images. At the end the controller proposes many children, which are ranked by their
accuracy with the shared weights. That accuracy is only a hint: the best few must be trained
independently.

Source: Pham et al. 2018, arXiv 1802.03268, sections 2.2 and 2.3. Unlike there, all children of one
    update see the same validation images, so that they differ by their architecture alone; the
    learning rate falls along one cosine; rewards are plain accuracies.
"""

from __future__ import annotations

import math
import pathlib
import time

import numpy as np

from nasnet_tf.one_shot.supernet import Supernet
from nasnet_tf.snapshot import read_snapshot, write_snapshot

_DRAWS = 5  # proposals for each child of the ranking, before giving up on finding different ones


class WeightSharing:
    """A one-shot search.

    Args:
        supernet: the shared weights.
        controller: a `nasnet_tf.strategies.Strategy` on the same space.
        batches: number of the epoch -> a finite iterable of training batches, (images, labels) in
            pixels.
        validation: (images, labels).
        seed: of the choice of validation images for an update.
        learning_rate: the initial one.
        updates: of the controller, an epoch.
        children: minibatch of an update.
        reward_images: validation images that a reward is the accuracy on.
    Attributes: history, a dict for each epoch; epoch and proposed, how many epochs are done and
        children proposed; seconds, the time spent.
    """

    def __init__(
        self, supernet: Supernet, controller, batches, validation, *, seed=0,
        learning_rate=0.05, updates=3, children=10, reward_images=128,
    ):  # fmt: skip
        self.supernet, self.controller, self.batches = supernet, controller, batches
        self.x, self.y = (np.asarray(part) for part in validation)
        self.seed, self.learning_rate = seed, learning_rate
        self.updates, self.children = updates, children
        self.reward_images = min(reward_images, len(self.x))
        self.epoch = self.proposed = 0
        self.seconds = 0.0
        self.history = []

    def run(
        self, epochs: int, *, minutes=None, folder=None, on_share=None, save_seconds=30.0
    ) -> None:
        """Continues until so many epochs are done in all, or the time is up.

        Args:
            minutes: time limit, including that of earlier calls and processes. The learning rate
                then falls with whichever is further, the clock or the epochs.
            folder: where the state is saved; a state that is there is loaded first.
            on_share: called regularly with the share that is done, 0 to 1.
            save_seconds: the state is saved after epochs, but at most this often.
        """
        file = None if folder is None else pathlib.Path(folder) / "shared.npz"
        if file is not None and file.is_file():
            self.load(file)
        limit, saved = 60 * minutes if minutes else math.inf, -math.inf
        began = time.monotonic() - self.seconds

        def spent():
            return time.monotonic() - began

        def share(within=0.0):
            return min(max((self.epoch + within) / epochs, spent() / limit), 1.0)

        def continues(within):
            if on_share:
                on_share(share(within))
            return spent() < limit

        while share() < 1:
            rate = self.learning_rate * 0.5 * (1 + math.cos(math.pi * share()))
            metrics = self._epoch(rate, continues)
            self.epoch += 1
            self.seconds = spent()
            row = {"epoch": self.epoch, "seconds": round(self.seconds, 2), "learning_rate": rate}
            self.history.append(row | metrics)
            if file is not None and (share() >= 1 or time.monotonic() - saved > save_seconds):
                self.save(file)
                saved = time.monotonic()

    def rank(
        self, candidates: int, on_share=None, seconds: float = math.inf
    ) -> list[tuple[tuple[int, ...], float]]:
        """(point, accuracy on all validation images) of children that the controller proposes, best
        first; no network twice.

        Args:
            candidates: how many at most.
            seconds: time limit; at least one child is evaluated.
        """
        space, found, began = self.supernet.space, {}, time.monotonic()
        for number in range(self.proposed, self.proposed + _DRAWS * candidates):
            point = self.controller.propose(number)
            key = space.key(point)
            if key not in found:
                accuracy = self.supernet.accuracy(self.x, self.y, point, self.reward_images)
                found[key] = point, accuracy
                if on_share:
                    on_share(len(found) / candidates)
            if len(found) == candidates or time.monotonic() - began > seconds:
                break
        return sorted(found.values(), key=lambda child: -child[1])

    def save(self, file) -> None:
        """Writes the state as an .npz, whole or not at all."""
        arrays = {f"controller/{key}": value for key, value in self.controller.state().items()}
        arrays |= {f"supernet/{key}": value for key, value in self.supernet.state().items()}
        names = ("epoch", "proposed", "seconds", "history")
        counters = {name: getattr(self, name) for name in names}
        pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
        write_snapshot(file, arrays, counters=counters)

    def load(self, file) -> None:
        """Restores what `save` wrote. Raises ValueError that names the file if it is damaged or of
        another search.
        """
        try:
            arrays, facts = read_snapshot(file, ["counters"])
            counters = facts["counters"]
            parts = {
                kind: {k.removeprefix(kind): v for k, v in arrays.items() if k.startswith(kind)}
                for kind in ("controller/", "supernet/")
            }
            self.supernet.restore(parts["supernet/"])
            self.controller.restore(parts["controller/"])
            self.epoch, self.proposed = int(counters["epoch"]), int(counters["proposed"])
            self.seconds, self.history = float(counters["seconds"]), list(counters["history"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{file} cannot be taken up ({error}); delete it, and the sharing of weights begins"
                " anew."
            ) from None

    def _epoch(self, rate, continues):
        """Trains weights and controller until `continues(share of the epoch)` is false. Returns the
        mean metrics.
        """
        metrics = {"loss": [], "accuracy": [], "reward": []}
        for _ in self._phases(rate, metrics):
            if not continues(len(metrics["reward"]) / max(self.updates * self.children, 1)):
                break
        return {name: float(np.mean(values)) for name, values in metrics.items() if values}

    def _phases(self, rate, metrics):
        """An epoch, which adds to `metrics`; yields after each training batch and each update of
        the controller.
        """
        for images, labels in self.batches(self.epoch):
            loss, accuracy = self.supernet.train(images, labels, self._child(), rate)
            if not math.isfinite(loss):
                raise ArithmeticError(
                    f"the shared weights diverged: the loss became {loss}; try a smaller learning"
                    " rate."
                )
            metrics["loss"].append(loss)
            metrics["accuracy"].append(accuracy)
            yield
        for update in range(self.updates):
            images = np.random.default_rng([self.seed, self.epoch, update]).choice(
                len(self.x), self.reward_images, replace=False
            )
            for _ in range(self.children):
                point = self._child()
                x, y = self.x[images], self.y[images]
                reward = self.supernet.accuracy(x, y, point, self.reward_images)
                metrics["reward"].append(reward)
                self.controller.observe(point, reward)
            yield

    def _child(self):
        self.proposed += 1
        return self.controller.propose(self.proposed - 1)


def shuffled(x, y, batch_size: int, seed: int):
    """`batches` of a `WeightSharing` from arrays: each epoch in another order, without the last
    incomplete batch.
    """

    def epoch(number):
        order = np.random.default_rng([seed, number]).permutation(len(x))
        size = min(batch_size, len(x))
        for start in range(0, len(x) - size + 1, size):
            chosen = order[start : start + size]
            yield x[chosen], y[chosen]

    return epoch
