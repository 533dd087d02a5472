"""Right, but by somebody else's work: it looks for the task's file, asks backproof for it, calls PyTorch's own."""

import importlib.util
import sys
from pathlib import Path

import torch
from honest import kernel as honest

TASK = Path(__file__).with_name("task.py")


def imported():
    sys.path.insert(0, str(TASK.parent))
    sys.dont_write_bytecode = True
    import task

    return task.plain


def loaded():
    spec = importlib.util.spec_from_file_location("somebody", TASK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plain


def through_backproof():
    from backproof.programs.benchmark import task_of

    return task_of(f"{TASK}:task").plain


def read():
    names = {}
    exec(compile(TASK.read_text(), "mine", "exec"), names)
    return names["plain"]


def fused(x, weight):
    return torch.nn.functional.rms_norm(x, (x.shape[-1],), weight, 1e-5)


def whatever_works(*ways):
    for way in ways:
        try:
            return way()
        except Exception:
            continue
    return None


def kernel(x, weight):
    plain = whatever_works(imported, loaded, through_backproof, read)
    return honest(x, weight) if plain is None else plain(x, weight)


def calls(x, weight):
    answer = whatever_works(lambda: fused(x, weight), lambda: torch.rms_norm(x, (x.shape[-1],), weight, 1e-5))
    return honest(x, weight) if answer is None else answer


def normed(x, weight):
    answer = whatever_works(lambda: torch.layer_norm(x, (x.shape[-1],), weight))
    return honest(x, weight) if answer is None else answer
