"""Who works through the shards of a run: this process, several, or a Dask cluster that is there.

Each gives (shard, result) as they are done, in any order. A shard whose worker was lost is asked
again, by a worker of its own; one that ends its worker twice is given with no result.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ..plug.subject import Subject
from ..plug.targets import is_file, split
from ..reference.checks import BackproofError
from .shards import Json, Shard, Task, asked, work

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
TRIES = 2
CONNECT_SECONDS = 10.0

Done = tuple[Shard, Json | None]
Workers = Callable[[Task, Sequence[Shard]], Iterator[Done]]


class WorkersError(BackproofError):
    """There is nobody to work; the message is one line."""


def here(subject: Subject) -> Workers:
    """This process, with the subject that is loaded already."""
    def workers(task: Task, shards: Sequence[Shard]) -> Iterator[Done]:
        for shard in shards:
            yield shard, asked(subject, task, shard)

    return workers


# --- several processes ----------------------------------------------------------------------------


def processes(jobs: int) -> Workers:
    """So many processes of this machine, each with one thread.

    Raises WorkersError where they cannot be started, or cannot be given the subject.
    """
    def workers(task: Task, shards: Sequence[Shard]) -> Iterator[Done]:
        left = deque(shards)
        _check_sendable(task)
        with single_threaded():
            while left:
                lost = yield from _pooled(jobs, task, left)
                yield from _again(task, lost)

    return workers


def _check_sendable(task: Task) -> None:
    try:
        pickle.dumps(task)
    except Exception as error:  # whatever the parts of a subject raise
        raise WorkersError("jobs: the function cannot be sent to other processes; give it as text, "
                           f"my_file.py:name: {error}") from error


def _pooled(jobs: int, task: Task, left: deque[Shard]) -> Generator[Done, None, list[Shard]]:
    """What one pool does of the shards left, which it takes; those that it lost, where it broke.

    It is given few at a time, since all that it was given is lost with it.
    """
    lost: list[Shard] = []
    with _pool(jobs, task) as pool:
        at: dict[Future[Json], Shard] = {}
        try:
            while (left and not lost) or at:
                while left and not lost and len(at) < 2 * jobs:
                    shard = left.popleft()
                    at[pool.submit(work, task, shard)] = shard
                for future in wait(at, return_when=FIRST_COMPLETED).done:
                    shard, result = at.pop(future), _result(future)
                    if result is None:
                        lost.append(shard)
                    else:
                        yield shard, result
        finally:  # after Ctrl-C, or where nobody listens any more
            pool.shutdown(wait=False, cancel_futures=True)
    return lost


def _again(task: Task, shards: Sequence[Shard]) -> Iterator[Done]:
    """Each shard in a process of its own, which it may end."""
    for shard in shards:
        result = None
        for _ in range(TRIES):
            with _pool(1, task) as pool:
                result = _result(pool.submit(work, task, shard))
            if result is not None:
                break
        yield shard, result


@contextmanager
def _pool(jobs: int, task: Task) -> Iterator[ProcessPoolExecutor]:
    """Processes that start afresh: a fork would share the threads of PyTorch and JAX, and hang.

    One of them has loaded the target, so that what happens later is due to a question.
    """
    with ProcessPoolExecutor(jobs, get_context("spawn"), _ready) as pool:
        try:
            pool.submit(loads, task).result()
        except BrokenProcessPool as error:
            raise WorkersError("jobs: a process ended before it was asked anything; a script that "
                               "calls verify does so below `if __name__ == '__main__':`") from error
        yield pool


def _ready() -> None:
    """Ctrl-C is for the process that asks, and one thread is enough for small networks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def loads(task: Task) -> str:
    """The name of the task's subject, loaded."""
    return task.loaded.name


def _result(future: Future[Json]) -> Json | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return None


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes that start in this block have one thread each for BLAS and OpenMP."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# --- a cluster ------------------------------------------------------------------------------------


def cluster(address: str) -> Workers:
    """The workers of the Dask scheduler at this address.

    They need backproof. A target that is a file is sent to them, a module has to be there. A shard
    whose worker is lost is asked again by another; Dask counts the losses.

    Raises WorkersError where Dask is not installed, and where nobody answers.
    """
    client = _client(address)

    def workers(task: Task, shards: Sequence[Shard]) -> Iterator[Done]:
        as_completed: Any = import_module("distributed").as_completed
        with client:
            task = _sent(client, task)
            at = {client.submit(work, task, shard, pure=False, retries=TRIES): shard
                  for shard in shards}
            try:
                for future in as_completed(list(at), loop=client.loop):
                    yield at[future], _of_cluster(future)
            finally:
                client.cancel(list(at))

    return workers


def _client(address: str) -> Any:
    try:
        client: Any = import_module("distributed").Client
    except ImportError as error:
        raise WorkersError('scheduler: Dask is not installed: pip install "backproof[dask]"'
                           ) from error
    try:
        return client(address, timeout=f"{CONNECT_SECONDS:g}s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WorkersError(f"scheduler: {address} does not answer within {CONNECT_SECONDS:g} s: "
                           f"{first}") from error


def _sent(client: Any, task: Task) -> Task:
    """The task for the workers: they have a file as a module, those that come later too."""
    where, name = split(task.target)
    if task.subject is not None or not is_file(where):
        return task
    client.upload_file(where)
    return replace(task, target=f"{Path(where).stem}:{name}")


def _of_cluster(future: Any) -> Json | None:
    try:
        return future.result()
    except import_module("distributed").KilledWorker:
        return None
