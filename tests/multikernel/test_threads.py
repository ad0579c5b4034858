"""User-level threads: turns, parking, joining."""

from collections.abc import Callable

import pytest

from multikernel.threads import Scheduler, Thread


def finish(scheduler: Scheduler) -> None:
    while scheduler.runnable:
        scheduler.run()


def test_threads_take_turns_when_they_rest() -> None:
    scheduler = Scheduler()
    turns: list[str] = []

    def work(name: str) -> None:
        for _ in range(3):
            turns.append(name)
            scheduler.rest()

    scheduler.spawn(work, "a")
    scheduler.spawn(work, "b")
    finish(scheduler)
    assert turns == ["a", "b"] * 3


def test_join_gives_the_result() -> None:
    scheduler = Scheduler()
    seen: list[int] = []
    child = scheduler.spawn(lambda: 42)
    scheduler.spawn(lambda: seen.append(child.join()))
    finish(scheduler)
    assert seen == [42]


def test_join_raises_what_the_thread_raised() -> None:
    scheduler = Scheduler()

    def fail() -> None:
        raise KeyError("lost")

    def parent() -> None:
        scheduler.spawn(fail).join()

    thread = scheduler.spawn(parent)
    finish(scheduler)
    assert isinstance(thread.error, KeyError)


def test_a_parked_thread_runs_only_when_woken() -> None:
    scheduler = Scheduler()
    progress: list[str] = []

    def sleeper() -> None:
        progress.append("parks")
        scheduler.park()
        progress.append("woken")

    thread = scheduler.spawn(sleeper)
    finish(scheduler)
    assert progress == ["parks"]
    assert not scheduler.runnable
    scheduler.wake(thread)
    finish(scheduler)
    assert progress == ["parks", "woken"]
    assert thread.ended


def test_the_end_of_a_child_does_not_wake_a_parked_parent() -> None:
    scheduler = Scheduler()
    progress: list[str] = []

    def parent() -> None:
        scheduler.spawn(progress.append, "child")
        scheduler.park()
        progress.append("woken")

    thread = scheduler.spawn(parent)
    finish(scheduler)
    assert progress == ["child"]
    scheduler.wake(thread)
    finish(scheduler)
    assert progress == ["child", "woken"]


@pytest.mark.parametrize("block", [Scheduler.park, Scheduler.rest, Scheduler.current])
def test_blocking_outside_of_a_thread_is_refused(block: Callable[[Scheduler], object]) -> None:
    with pytest.raises(RuntimeError, match="only a dispatcher's threads may block"):
        block(Scheduler())


def test_a_thread_may_spawn_and_join_many() -> None:
    scheduler = Scheduler()

    def parent() -> int:
        children: list[Thread] = [scheduler.spawn(pow, n, 2) for n in range(50)]
        return sum(child.join() for child in children)

    thread = scheduler.spawn(parent)
    finish(scheduler)
    assert thread.result == sum(n * n for n in range(50))
