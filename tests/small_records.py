"""Small records, written as a run writes them."""

from dataclasses import replace

import numpy as np
from backproof.judging.plan import Plan
from backproof.plug.subject import subject_of
from backproof.record.report import Finding, Report
from backproof.record.writing import Recorder
from backproof.reference import Case, parse

RESOLUTION = {"float64": {"bias": {"digits": 15.5, "smallest_error": 1e-14, "sharp": 100, "comparisons": 100}}}


def case(function="tanh", reduction="mean"):
    """Two dense layers with an activation between them."""
    dense = {"kind": "dense", "units": 1, "bias": True}
    layers = [dense, {"kind": "activation", "function": function}, dense]
    network = parse.network({"format": 1, "input_shape": [1], "layers": layers,
                                 "loss": {"kind": "squared_error", "reduction": reduction}})
    one = {"weight": np.ones((1, 1)), "bias": np.ones(1)}
    parameters = {f"{i}.{kind}": value for i in (0, 2) for kind, value in one.items()}
    return Case(network, parameters, np.ones((1, 1)), np.zeros((1, 1)))


def finding(property="reference", kinds="bias", *faults, **more):
    """A finding whose id is property:kinds:fault."""
    return Finding(property, "0.bias", (0,), 1.0, 2.0, 1.0, 1e-12, "abcabcabcabc", f"{property} is wrong", faults=faults,
                   kinds=kinds, **more)


def report(*findings, checks=None, verdict=None, **more):
    """A report; without checks, of 40 right ones, and of a wrong one for each finding."""
    if checks is None:
        checks = {"reference": {"passed": 40}}
        for each in findings:
            checks.setdefault(each.property, {})["failed"] = 1
    bad = any(by.get(each) for by in checks.values() for each in ("failed", "errored"))
    return Report("mine", verdict or ("does_not_conform" if bad else "conforms"), {}, 7, counts=checks,
                  findings=list(findings), networks=300, **{"resolution": RESOLUTION, **more})


def record(directory, *findings, footer=True, name="mine", cases=None, claims=None, door=None, **more):
    """A record of the report, all its checks on every case. `claims` are changed ones."""
    said = report(*findings, **more)
    cases = [case()] if cases is None else cases
    subject = subject_of(lambda *_: None, name)
    subject = replace(subject, claims=replace(subject.claims, **claims or {}), door=door or subject.door)
    with Recorder(directory) as recorder:
        recorder.header(subject, Plan(seed=7))
        for each in cases:
            for check, by in said.counts.items():
                for outcome, n in by.items():
                    for _ in range(n):
                        of = None if outcome == "not_available" else each
                        recorder.result(of, property=check, outcome=outcome, network=300)
        said.counts = {check: {o: n * len(cases) for o, n in by.items()} for check, by in said.counts.items()}
        if footer:
            recorder.footer(said)
    return directory
