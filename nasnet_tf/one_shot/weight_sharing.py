"""One-shot search: weights that all children share, and a controller that learns from how its
children do with them.

The two learn in turn. An epoch trains the shared weights on every training batch, each with a child
of its own that the controller proposes; then it updates the controller a few times, by the accuracy
of its children on validation images. At the end the controller proposes many children, which are
ranked by their accuracy with the shared weights. That accuracy is a hint, not a result: the best
few must be trained by themselves.

Source: Pham et al. 2018, arXiv 1802.03268, sections 2.2 and 2.3. Ours: all children of one update
    see the same validation images, so
that they differ by what they are and not by what they were shown; the rate falls along one cosine;
rewards are accuracies as they are.
"""

from __future__ import annotations

import json
import math
import pathlib
import time

import numpy as np

from nasnet_tf.files import parse_json, replacing
from nasnet_tf.npz import read_npz
from nasnet_tf.one_shot.supernet import Supernet

_DRAWS = (
    5  # draws a child that is wanted in the ranking, before giving up on finding more that differ
)


class WeightSharing:
    """The state of a one-shot search, and how it goes on.

    Args:
        supernet: the shared weights.
        controller: a `nasnet_tf.strategies.Strategy` on the same space.
        batches: number of the epoch -> its training batches, (images, labels) in pixels. It must
            end.
        validation: (images, labels).
        seed: of which validation images a controller's update sees.
        learning_rate: at the start.
        updates: of the controller, an epoch.
        children: proposed by the controller for each update; its minibatch.
        reward_images: validation images a reward is the accuracy on.
    """

    def __init__(
        self,
        supernet: Supernet,
        controller,
        batches,
        validation,
        *,
        seed=0,
        learning_rate=0.05,
        updates=3,
        children=10,
        reward_images=128,
    ):
        self.supernet, self.controller, self.batches = supernet, controller, batches
        self.x, self.y = (np.asarray(part) for part in validation)
        self.seed, self.learning_rate = seed, learning_rate
        self.updates, self.children, self.reward_images = (
            updates,
            children,
            min(reward_images, len(self.x)),
        )
        self.epoch = self.proposed = 0
        self.seconds = 0.0
        self.history = []  # a dict an epoch

    def run(
        self, epochs: int, *, minutes=None, folder=None, on_share=None, save_seconds=30.0
    ) -> None:
        """Goes on until so many epochs are done in all, or the time is up.

        Args:
            minutes: how long in all, with what earlier calls and earlier processes took. The rate
                falls by the clock then, where that is ahead of the epochs.
            folder: where the state is kept; what is there is taken up first.
            on_share: called now and then with the share that is done, 0 to 1.
            save_seconds: how often the state is written, at most; only after an epoch.
        """
        file = None if folder is None else pathlib.Path(folder) / "shared.npz"
        if file is not None and file.is_file():
            self.load(file)
        limit, saved, clock = 60 * minutes if minutes else math.inf, -math.inf, _Clock(self.seconds)

        def share(within=0.0):
            return min(max((self.epoch + within) / epochs, clock.seconds() / limit), 1.0)

        def go_on(within):
            if on_share:
                on_share(share(within))
            return clock.seconds() < limit

        while share() < 1:
            rate = self.learning_rate * 0.5 * (1 + math.cos(math.pi * share()))
            figures = self._epoch(rate, go_on)
            self.epoch += 1
            self.seconds = clock.seconds()
            self.history.append(
                {
                    "epoch": self.epoch,
                    "seconds": round(self.seconds, 2),
                    "learning_rate": rate,
                    **figures,
                }
            )
            if file is not None and (share() >= 1 or time.monotonic() - saved > save_seconds):
                self.save(file)
                saved = time.monotonic()

    def rank(
        self, candidates: int, on_share=None, seconds: float = math.inf
    ) -> list[tuple[tuple[int, ...], float]]:
        """The controller's children, best first, with their accuracy on all validation images; no
        network twice.

        Args:
            candidates: how many at most.
            seconds: how long that may take; one child is judged at least.
        """
        space, found, began = self.supernet.space, {}, time.monotonic()
        for number in range(self.proposed, self.proposed + _DRAWS * candidates):
            point = self.controller.propose(number)
            key = space.key(point)
            if key not in found:
                found[key] = (
                    point,
                    self.supernet.accuracy(self.x, self.y, point, self.reward_images),
                )
                if on_share:
                    on_share(len(found) / candidates)
            if len(found) == candidates or time.monotonic() - began > seconds:
                break
        return sorted(found.values(), key=lambda child: -child[1])

    def save(self, file) -> None:
        """Writes the state, whole."""
        arrays = {f"controller/{key}": value for key, value in self.controller.state().items()}
        arrays |= {f"supernet/{key}": value for key, value in self.supernet.state().items()}
        counters = {
            "epoch": self.epoch,
            "proposed": self.proposed,
            "seconds": self.seconds,
            "history": self.history,
        }
        pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            np.savez(temporary, counters=np.array(json.dumps(counters)), **arrays)

    def load(self, file) -> None:
        """Takes up what `save` wrote. Raises ValueError that names the file if it is damaged or of
        another search.
        """
        try:
            arrays = read_npz(file)
            counters = parse_json(str(arrays.pop("counters")))
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

    def _epoch(self, rate, go_on):
        """Trains weights and controller; breaks off once `go_on(share of the epoch)` says no.
        Returns figures.
        """
        figures = {"loss": [], "accuracy": [], "reward": []}
        for _ in self._phases(rate, figures):
            if not go_on(len(figures["reward"]) / max(self.updates * self.children, 1)):
                break
        return {name: float(np.mean(values)) for name, values in figures.items() if values}

    def _phases(self, rate, figures):
        """Does the work of an epoch and adds to `figures`; yields after each training batch and
        each update of the controller.
        """
        for images, labels in self.batches(self.epoch):
            loss, accuracy = self.supernet.train(images, labels, self._child(), rate)
            if not math.isfinite(loss):
                raise ArithmeticError(
                    f"the shared weights diverged: the loss became {loss}; try a smaller learning"
                    " rate."
                )
            figures["loss"].append(loss)
            figures["accuracy"].append(accuracy)
            yield
        for update in range(self.updates):
            images = np.random.default_rng([self.seed, self.epoch, update]).choice(
                len(self.x), self.reward_images, replace=False
            )
            for _ in range(self.children):
                point = self._child()
                figures["reward"].append(
                    self.supernet.accuracy(
                        self.x[images], self.y[images], point, self.reward_images
                    )
                )
                self.controller.observe(point, figures["reward"][-1])
            yield

    def _child(self):
        self.proposed += 1
        return self.controller.propose(self.proposed - 1)


class _Clock:
    """Seconds, from `before` on."""

    def __init__(self, before):
        self._began = time.monotonic() - before

    def seconds(self):
        return time.monotonic() - self._began


def shuffled(x, y, batch_size: int, seed: int):
    """Batches for `WeightSharing` of arrays: all images once an epoch, in an order of its own, the
    last few left out.
    """

    def epoch(number):
        order = np.random.default_rng([seed, number]).permutation(len(x))
        size = min(batch_size, len(x))
        for start in range(0, len(x) - size + 1, size):
            chosen = order[start : start + size]
            yield x[chosen], y[chosen]

    return epoch
