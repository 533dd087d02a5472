"""A JavaScript library, driven by one long-lived `node` that answers a line of JSON with a line."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from shelf import folder, functions

Array = Any
HERE = Path(__file__).parent


class Node:
    """The script of one library. It is started with the first question."""

    def __init__(self, library: str, script: str):
        self.library, self.script, self.process = library, script, None

    def start(self) -> Any:
        modules = folder(self.library) / "node_modules"
        self.process = subprocess.Popen(
            ["node", str(HERE / "serve.cjs"), str(HERE / self.script)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(modules), "MODULES": str(modules)})
        atexit.register(self.process.kill)
        return self.process

    def ask(self, what: str, network: Any, parameters: Any, inputs: Array, targets: Array,
            **more: Any) -> Any:
        """(loss, gradients): every layer's weights go as rows of one unit, its biases beside."""
        process = self.process or self.start()
        weights, biases = network.unpack(parameters)
        question = {"what": what, "sizes": network.sizes, "functions": functions(network),
                    "W": [w.T.tolist() for w in weights], "b": [b.tolist() for b in biases],
                    "x": inputs.tolist(), "t": targets.tolist(), **more}
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or '{"error": "node has ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return float(answer["loss"]), network.pack(
            [np.array(dw, dtype=float).reshape(w.T.shape).T
             for dw, w in zip(answer["dW"], weights, strict=True)],
            [np.array(db, dtype=float) for db in answer["db"]])
