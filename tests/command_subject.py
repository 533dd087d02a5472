"""A dense network as a program that speaks the protocol, as other people write it: python command_subject.py [WHAT]."""

import json
import sys

import numpy as np

WHAT = sys.argv[1] if len(sys.argv) > 1 else "right"
ANSWERS = WHAT if WHAT in ("step", "vjp") else "gradients"
HEAD = {"activation": "identity", "loss": "squared_error"}
CLAIMS = {"hidden": ["tanh"], "heads": [HEAD]} if ANSWERS != "vjp" else {"hidden": ["tanh"]}


def array(data):
    return np.array(data["data"], dtype=data["dtype"]).reshape(data["shape"])


def backward(asked, delta_of):
    """Every gradient by name, the loss, and the gradient of the inputs."""
    names = [str(i) for i, layer in enumerate(asked["network"]["layers"]) if layer["kind"] == "dense"]
    parameters = {name: array(value) for name, value in asked["parameters"].items()}
    outputs = [array(asked["inputs"])]
    for name in names:
        z = outputs[-1] @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]
        outputs.append(z if name == names[-1] else np.tanh(z))
    loss, delta = delta_of(outputs[-1])
    gradients = {}
    for i, name in reversed(list(enumerate(names))):
        if i < len(names) - 1:
            delta = delta * (1 - outputs[i + 1] ** 2)
        gradients[f"{name}.weight"] = outputs[i].T @ delta
        gradients[f"{name}.bias"] = delta.mean(0) if WHAT == "averages" else delta.sum(0)
        delta = delta @ parameters[f"{name}.weight"].T
    return loss, gradients, delta, parameters


def answer(asked):
    if asked["ask"] == "vjp":
        _, gradients, inputs, _ = backward(asked, lambda y: (0.0, array(asked["cotangent"])))
        return {"gradients": {name: value.tolist() for name, value in (gradients | {"inputs": inputs}).items()}}
    if asked["ask"] not in ("gradients", "step") or WHAT == "unsupported":
        return {"unsupported": f"no {asked['ask']} here"}
    targets = array(asked["targets"])
    n = len(targets)
    loss, gradients, _, parameters = backward(
        asked, lambda y: (0.5 * ((y - targets) ** 2).sum() / n, (y - targets) / n))
    if asked["ask"] == "step":
        new = {name: p - asked["rate"] * gradients[name] for name, p in parameters.items()}
        return {"parameters": {name: value.tolist() for name, value in new.items()}}
    shaped = {name: {"shape": value.shape, "data": value.ravel().tolist()} for name, value in gradients.items()}
    return {"loss": loss, "gradients": shaped}


def main():
    held = []
    for line in sys.stdin:
        asked = json.loads(line)
        reply = {"id": asked["id"]}
        if asked["ask"] == "hello":
            reply |= {"protocol": 1, "name": WHAT, "version": "1.0", "answers": ANSWERS, "claims": CLAIMS}
            reply |= {"outstanding": 3} if WHAT == "late" else {}
        else:
            reply |= answer(asked)
        if WHAT == "prints":
            print("debug: a layer")
        if WHAT == "late" and asked["ask"] != "hello":  # the second before the first, where two are asked
            held.append(reply)
            if len(held) < 2 and more():
                continue
            for each in reversed(held):
                print(json.dumps(each), flush=True)
            held = []
            continue
        print(json.dumps(reply), flush=True)


def more():
    """Whether another question has come."""
    import select

    return bool(select.select([sys.stdin], [], [], 0.005)[0])


if __name__ == "__main__":
    main()
