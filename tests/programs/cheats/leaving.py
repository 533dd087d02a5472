"""Ends before it is judged, one way after another; where nothing of that happened it would be right."""

import os
import signal
import sys
import time

from honest import kernel as honest


def kernel(x, weight):
    if len(x) % 3 == 0:
        os._exit(0)
    if len(x) % 3 == 1:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGTERM)
    return honest(x, weight)


def sleeping(x, weight):
    time.sleep(1e6)


def at_once(x, weight):
    sys.exit(0)
