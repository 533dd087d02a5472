"""`import wrong_engines` from any test file: in importlib mode the folder is not on the path.

Loaded when first used.
"""

import importlib.util
import os
import signal
import sys
import threading
from pathlib import Path


def _lazily(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


# Small tensors need no second thread, and on a busy machine torch's wait for each other: ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A process started in the background of a shell has Ctrl-C switched off, and hands that on: some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("foreign_programs", "foreign_mistakes", "foreign_names"):
    _lazily(_name)
_lazily("drawn_features")
_lazily("function_examples")
_lazily("perceptrons")
_lazily("small_records")
_lazily("wrong_engines")
