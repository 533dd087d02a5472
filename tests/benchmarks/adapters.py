"""The adapters in other languages: small networks a second through their commands, and the mistakes named.

    python tests/benchmarks/adapters.py                 # questions a second, in each language that is there
    python tests/benchmarks/adapters.py --mistakes      # minutes: each mistake in C, in JavaScript and in a function

A small network is one of some 125 parameters on average, as in the other figures; the time is that of the whole
question: written, answered, read. The bar for C and Rust is 300 a second.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest  # noqa: E402
from adapter_mistakes import MISTAKES, function, named, started  # noqa: E402
from backproof import verify  # noqa: E402
from backproof.judging.plan import drawn  # noqa: E402
from backproof.properties.claims import Claims, Head  # noqa: E402
from backproof.properties.strategies import cases  # noqa: E402
from backproof.running.languages import LANGUAGES  # noqa: E402

SMALL = Claims(hidden=("tanh", "relu", "sigmoid"), heads=(Head("identity", "squared_error", "sum"),), bias="any",
               max_parameters=500)
BARS = {"c": 300, "rust": 300}
LANGUAGES_WRONG = ("c", "javascript")
QUESTIONS, ROUNDS = 300, 5


def a_second(subject, asked):
    """Questions a second, the median of some rounds."""
    def round_():
        begun = time.perf_counter()
        for case in asked:
            subject.engine(case)
        return len(asked) / (time.perf_counter() - begun)
    round_()
    return statistics.median(round_() for _ in range(ROUNDS))


def speeds(folder):
    asked = list(islice(drawn(cases(SMALL), 1), QUESTIONS))
    print(f"{QUESTIONS} networks of {statistics.mean(case.size for case in asked):.0f} parameters on average, "
          f"batches of {statistics.mean(case.batch for case in asked):.1f}")
    for language in LANGUAGES:
        try:
            subject = started(language, folder / language)
        except pytest.skip.Exception as missing:
            print(f"{language:12} {missing}")
            continue
        bar = f"bar {BARS[language]}" if language in BARS else ""
        print(f"{language:12} {a_second(subject, asked):8,.0f} a second  {bar}", flush=True)
        subject.engine.session.close()
    beside = function(SMALL)
    print(f"{'function':12} {a_second(beside, asked):8,.0f} a second")


def mistakes(folder, examples):
    """For each mistake: what the function door names, and each language."""
    plan = {"examples": examples, "seconds": 600, "oracles": ("torch", "differences")}
    same = tried = 0
    for i, (mistake, changes) in enumerate(MISTAKES.items()):
        for language in LANGUAGES_WRONG:
            wrong = started(language, folder / f"{language}{i}", changes[language])
            through = named(verify(wrong, **plan))
            beside = named(verify(function(wrong.claims, changes["python"]), **plan))
            tried, same = tried + 1, same + (through == beside)
            print(f"{mistake:38} {language:12} {through} {'as' if through == beside else 'BUT'} {beside}", flush=True)
            wrong.engine.session.close()
    print(f"named as through the function door: {same} of {tried}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mistakes", action="store_true")
    parser.add_argument("--examples", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        mistakes(Path(name), options.examples) if options.mistakes else speeds(Path(name))
