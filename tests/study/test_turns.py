"""Many threads that ask again and again are served in turn."""

import threading

import pytest

from nasnet_tf.study.lock import FairLock as Turns


def test_one_thread_at_a_time_and_within_itself_as_often_as_it_likes():
    turns, inside, most = Turns(), [], []

    def work():
        for _ in range(200):
            with turns, turns:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(most) == 1600


def test_who_asks_again_waits_behind_those_who_asked_before():
    turns, served = Turns(), []

    def work(name, times):
        for _ in range(times):
            with turns:
                served.append(name)

    with turns:
        threads = [threading.Thread(target=work, args=(name, 3)) for name in "abc"]
        for count, thread in enumerate(threads, start=1):
            thread.start()
            while len(turns._waiting) < count:
                pass
    for thread in threads:
        thread.join()
    assert served[:3] == ["a", "b", "c"] and sorted(served) == list("aaabbbccc")


def test_an_error_inside_lets_the_next_one_in():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    other = threading.Thread(target=lambda: turns.__enter__())
    other.start()
    other.join(5)
    assert not other.is_alive()


def test_who_is_interrupted_while_waiting_gives_its_place_up(monkeypatch):
    turns = Turns()

    class Interrupted:
        def __init__(self):
            self.lock = threading._allocate_lock()
            self.times = 0

        def acquire(self):
            self.times += 1
            if self.times > 1:
                raise KeyboardInterrupt
            return self.lock.acquire()

        def release(self):
            self.lock.release()

    holder = threading.Thread(target=turns.__enter__)
    holder.start()
    holder.join()
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            turns.__enter__()
    assert not turns._waiting
