"""A worker keeps what a call leaks, breaks or kills in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from nasnet_tf.children.runner import Lasting
from nasnet_tf.children.worker import _HangDetector
from nasnet_tf.evaluation import ChildFailed, Stopped, Worker, WorkerLost


@pytest.fixture(scope="module")
def worker():
    with Worker() as worker:
        yield worker


def test_a_call_gives_its_result(worker):
    assert worker.run(divmod, 17, 5) == (3, 2)


def test_calls_share_a_process_that_is_not_this_one(worker):
    assert worker.run(os.getpid) == worker.run(os.getpid) != os.getpid()


def test_an_exception_is_a_failed_child_with_one_line(worker):
    with pytest.raises(ChildFailed, match="^ValueError: invalid literal"):
        worker.run(int, "no\nnumber")


def test_a_result_that_cannot_be_sent_back_is_a_failed_child_too(worker):
    with pytest.raises(ChildFailed, match="^TypeError: cannot pickle"):
        worker.run(threading.Lock)


def test_what_a_call_prints_does_not_get_among_the_answers(worker):
    assert worker.run(exec, "print('noise')") is None


def test_a_death_is_a_failed_child_and_the_next_call_has_a_new_process(worker):
    before = worker.run(os.getpid)
    with pytest.raises(WorkerLost, match="status 3"):
        worker.run(os._exit, 3)
    assert worker.run(os.getpid) != before


def test_a_kill_for_want_of_memory_is_told_as_such(worker):
    pid = worker.run(os.getpid)
    with pytest.raises(WorkerLost, match="memory"):
        worker.run(os.kill, pid, signal.SIGKILL)


def test_a_process_that_hangs_is_given_up():
    with Worker(patience=3) as worker:
        pid = worker.run(os.getpid)
        with pytest.raises(WorkerLost, match="no sign of life for 3 s"):
            worker.run(os.kill, pid, signal.SIGSTOP)
        assert worker.run(os.getpid) != pid


@pytest.mark.parametrize(
    "told, hangs",
    [
        ([0] * 10, False),  # tracing takes long
        ([0] * 17, True),
        ([0, 1, 2] + [3] * 3, False),
        ([0, 1, 2] + [3] * 5, True),
        ([0, 0, 0, 1] + [2] * 20, False),  # the first step has taken 4 s, so 40 s are nothing
        ([0, 0, 0, 1] + [2] * 22, True),
        ([None] * 100, False),  # nobody tells
        ([0, 1, 2] + [None] * 100, False),  # the training is over, its weights are being written
    ],
)
def test_a_training_hangs_when_a_step_takes_much_longer_than_any_before(told, hangs):
    detector = _HangDetector(patience=1.0)  # signs of life come every 2 s
    assert any([detector.hangs(steps) for steps in told]) is hangs


def test_a_long_call_is_no_silence():
    with Worker(patience=3) as worker:
        assert worker.run(time.sleep, 5) is None


def test_what_cannot_be_sent_is_refused_before_it_runs(worker):
    with pytest.raises((AttributeError, TypeError)):
        worker.run(lambda: 1)
    assert worker.run(abs, -1) == 1


def test_a_process_that_has_grown_is_replaced():
    with Worker(memory_limit_mb=1) as small:
        assert small.run(os.getpid) != small.run(os.getpid)


def test_stop_breaks_a_call_off_without_calling_it_failed():
    with Worker() as worker:
        worker.run(abs, 1)
        threading.Timer(0.3, worker.stop).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            worker.run(time.sleep, 30)
        assert time.monotonic() - began < 10


def test_closing_ends_the_process():
    worker = Worker()
    pid = worker.run(os.getpid)
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# The end of the parent.

PARENT = """
import os, signal, sys, threading, time
from nasnet_tf.evaluation import Worker

worker = Worker()
starts = threading.Thread(target=lambda: print(worker.run(os.getpid), flush=True))
starts.start()
starts.join()
print(worker.run(os.getpid), flush=True)
if sys.argv[1] == "training":
    worker.run(exec, "import time; time.sleep(600)")
if sys.argv[1] == "stopped":
    worker.run(exec, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
time.sleep(600)
"""


def alive(pid):
    """Whether there is such a process that is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the system does not end what is stopped"
)
@pytest.mark.parametrize("state", ["idle", "training", "stopped"])
def test_a_worker_ends_with_its_parent_and_not_with_the_thread_that_began_it(
    tmp_path, repository, state
):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script, state],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": repository},
    )
    pid, again = (int(parent.stdout.readline()) for _ in range(2))
    assert pid == again
    time.sleep(0.3)
    assert alive(pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.05)


def test_a_search_in_a_thread_goes_on_when_the_main_one_is_over(tmp_path, repository):
    script = tmp_path / "script.py"
    script.write_text(
        "import threading, time\n"
        "from nasnet_tf.evaluation import Worker\n"
        "def search():\n"
        "    worker = Worker()\n"
        "    first = worker.run(divmod, 17, 5)\n"
        "    time.sleep(0.5)\n"
        "    print(first, worker.run(divmod, 18, 5), Worker().run(divmod, 19, 5))\n"
        "threading.Thread(target=search).start()\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": repository},
    )
    assert done.stdout.strip() == "(3, 2) (3, 3) (3, 4)", done.stderr


# Calls of several threads.


@pytest.mark.parametrize("threads", [2, 4])
def test_every_thread_gets_the_answers_to_its_own_calls(worker, threads):
    answers = {}

    def ask(number):
        answers[number] = [worker.run(divmod, 1000 * number + n, 1000) for n in range(100)]

    asking = [
        threading.Thread(target=ask, args=(number,), daemon=True) for number in range(threads)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(timeout=60)
    assert answers == {number: [(number, n) for n in range(100)] for number in range(threads)}


class Sent:
    """Calls the worker while it is being sent to it."""

    def __init__(self, worker):
        self.worker = worker

    def __reduce__(self):
        return abs, (self.worker.run(abs, 1),)


def test_a_call_from_within_a_call_is_refused(worker):
    with pytest.raises(
        RuntimeError, match="called the same worker; give what it calls a worker of its own"
    ):
        worker.run(abs, Sent(worker))
    assert worker.run(abs, -1) == 1


# tf.data across processes.


def collect(dataset, times):
    """What `times` passes over a data set give, as lists. Runs in the worker."""
    return [[element.numpy().tolist() for element in dataset] for _ in range(times)]


def begin(dataset):
    """Takes one element, no more. Runs in the worker."""
    return next(iter(dataset)).numpy().tolist()


def cardinality(dataset):
    """Runs in the worker."""
    return int(dataset.cardinality())


def test_a_data_set_is_read_in_the_worker_as_it_is_here(worker):
    import tensorflow as tf

    passes = tf.Variable(0)
    dataset = tf.data.Dataset.range(5).map(lambda x: tf.cast(x, tf.int32) + 10 * passes).batch(2)
    live = tf.data.Dataset.range(1).flat_map(
        lambda _: tf.data.Dataset.from_tensors(passes.assign_add(1))
    )
    assert worker.run(collect, dataset, 2) == [[[0, 1], [2, 3], [4]]] * 2
    assert worker.run(collect, live, 3) == [[1], [2], [3]], "every pass is a new one"


def test_a_data_set_that_is_not_read_to_its_end_does_not_disturb_the_next_call(worker):
    import tensorflow as tf

    dataset = tf.data.Dataset.range(100).prefetch(8)
    assert [worker.run(begin, dataset) for _ in range(3)] == [0, 0, 0]
    assert worker.run(divmod, 17, 5) == (3, 2)


def test_a_data_set_keeps_its_length(worker):
    import tensorflow as tf

    assert worker.run(cardinality, tf.data.Dataset.range(7).batch(2)) == 4
    assert worker.run(cardinality, tf.data.Dataset.range(7).repeat()) == -1


def test_a_closed_worker_is_there_for_the_next_search_and_a_stopped_one_is_not():
    make = Lasting(Worker)
    try:
        first, second = make(), make()
        numbers = first.run(os.getpid), second.run(os.getpid)
        first.close()
        second.stop()
        second.close()
        again, other = make(), make()
        assert again.run(os.getpid) == numbers[0] and other.run(os.getpid) not in numbers
        again.close()
        again.close()  # once is enough
        again.stop()  # too late
        other.close()
    finally:
        make.close()
    with pytest.raises(ProcessLookupError):
        os.kill(numbers[0], 0)
