"""`import wrong_engines` from any test file: in importlib mode the folder is not on the path."""

import importlib.util
import sys
from pathlib import Path


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_load("wrong_engines")
