"""Perturbed runs of a plain form in PyTorch: right programs are within 16 s, narrower ones are not."""

import contextlib

import numpy as np
import pytest
import torch
from backproof import program
from backproof.programs.claim import Claim
from backproof.programs.formats import FORMATS
from backproof.programs.judge import Judge
from backproof.programs.tolerance import RUNS, spread, tolerance
from backproof.programs.torch_engine.engine import TorchEngine
from backproof.programs.torch_engine.perturbed_run import OverflownError
from backproof.programs.torch_engine.perturbing import perturbed, truth
from backproof.programs.torch_engine.rules import RULES, rule_of, taken_apart, unknown
from backproof.programs.torch_engine.textbook import Spelt
from backproof.programs.torch_engine.widening import Wide, wide
from backproof.programs.trial import Trial, Value
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

# Sixteen units are four bits, so that what is only a little narrower does not show.
NARROWER = {"float32": "float16", "float16": "float8_e5m2", "bfloat16": None}
FLOAT32 = Claim("float32", "float32", "float32")


def trial(inputs, cotangents, dtype="float32"):
    """A trial of arrays by name, all gradients of real ones wanted; numbers as the dtype has them."""
    def value(array):
        array = np.asarray(array)
        real = array.dtype.kind == "f"
        return Value(FORMATS[dtype].rounded(array) if real else array, dtype if real else str(array.dtype))

    values = {name: value(array) for name, array in inputs.items()}
    wanted = tuple(name for name, each in values.items() if each.is_real)
    return Trial(values, {}, tuple(value(array) for array in cotangents), wanted, dtype)


def allowed(plain, asked, claim, seed=0):
    """The truth and the tolerance, by key."""
    g = truth(plain, asked)
    return g, tolerance(g, spread(g, perturbed(plain, asked, claim, RUNS, seed)), claim)


def largest(got, g, tol):
    """The largest error of what a program gave, where the tolerance is 16."""
    return max(16 * float((np.abs(got[key] - g[key]) / tol[key]).max()) for key in got)


def worst(plain, asked, claim, got):
    return largest(got, *allowed(plain, asked, claim))


# --- programs of a precision ------------------------------------------------------------------------------------------


def norm(x, w):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 0.001) * w


def norm_by_hand(r, x, w, g):
    scale = r(1 / np.sqrt(r(r(r(r(x * x).sum(-1, keepdims=True)) / x.shape[-1]) + r(0.001))))
    unit, gw = r(x * scale), r(g * w)
    whole = r(r(r(gw * unit).sum(-1, keepdims=True)) / x.shape[-1])
    return {"output 0": r(unit * w), "x": r(scale * r(gw - r(unit * whole))), "w": r(r(g * unit).sum(0))}


def softmax(x, w):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True) * w


def softmax_by_hand(r, x, w, g):
    e = r(np.exp(r(x - x.max(-1, keepdims=True))))
    y = r(e / r(e.sum(-1, keepdims=True)))
    gy = r(g * w)
    return {"output 0": r(y * w), "x": r(y * r(gy - r(r(gy * y).sum(-1, keepdims=True)))), "w": r(r(g * y).sum(0))}


def gated(x, w):
    return x / (1 + torch.exp(-x)) @ w.diag()


def gated_by_hand(r, x, w, g):
    s = r(1 / r(1 + r(np.exp(-x))))
    h, gh = r(x * s), r(g * w)
    return {"output 0": r(h * w), "x": r(gh * r(s * r(1 + r(x * r(1 - s))))), "w": r(r(g * h).sum(0))}


PROGRAMS = {"norm": (norm, norm_by_hand), "softmax": (softmax, softmax_by_hand), "gated": (gated, gated_by_hand)}
VALUES = {"usual": lambda rng, shape: rng.standard_normal(shape), "mean 5": lambda rng, shape: 5 + rng.standard_normal(shape),
          "rows alike": lambda rng, shape: np.broadcast_to(rng.standard_normal((*shape[:1], 1)), shape),
          "large": lambda rng, shape: 4 * rng.standard_normal(shape)}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("arithmetic", NARROWER)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_precision_is_right_and_one_of_a_narrower_is_not(name, arithmetic, values):
    plain, by_hand = PROGRAMS[name]
    rng = np.random.default_rng(len(name + values))
    claim = Claim("float32", arithmetic, arithmetic)
    numbers = FORMATS["float8_e5m2"].rounded(VALUES[values](rng, (6, 17)))
    asked = trial({"x": numbers, "w": FORMATS["float8_e5m2"].rounded(rng.standard_normal(17))},
                  [FORMATS["float8_e5m2"].rounded(rng.standard_normal((6, 17)))])
    arguments = *(each.numbers for each in asked.inputs.values()), asked.cotangents[0].numbers
    known = allowed(plain, asked, claim)
    assert largest(by_hand(FORMATS[arithmetic].rounded, *arguments), *known) <= 16
    narrower = NARROWER[arithmetic]
    assert narrower is None or largest(by_hand(FORMATS[narrower].rounded, *arguments), *known) > 16


@pytest.mark.parametrize("count", [64, 2000])
@pytest.mark.parametrize("order", ["like numbers", "random", "small after large"])
def test_a_sum_in_sequence_is_right(count, order):
    rng = np.random.default_rng(count)
    numbers = {"like numbers": np.full((count, 3), 1 / 3), "random": rng.standard_normal((count, 3)),
               "small after large": np.concatenate([np.full((1, 3), 100.0), rng.random((count - 1, 3))])}[order]
    asked = trial({"x": numbers}, [np.ones(3)])
    got = np.cumsum(asked.inputs["x"].numbers.astype(np.float32), 0)[-1].astype(np.float64)
    known = allowed(lambda x: x.sum(0), asked, FLOAT32)
    assert largest({"output 0": got}, *known) <= 16
    narrow = np.cumsum(FORMATS["float16"].rounded(asked.inputs["x"].numbers).astype(np.float16), 0)[-1]
    assert largest({"output 0": narrow.astype(np.float64)}, *known) > 16


def test_like_numbers_are_rounded_alike():
    asked = trial({"x": np.full((4, 50), 0.3)}, [np.full((4, 50), 0.7)])
    for run in perturbed(lambda x: torch.exp(x * 1.7) / 3, asked, FLOAT32, 8, 0)[:4:2]:
        assert np.ptp(run["output 0"]) == np.ptp(run["x"]) == 0.0


def test_the_same_seed_gives_the_same_runs_and_another_one_others():
    asked = trial({"x": np.linspace(-1, 1, 9)}, [np.ones(9)])
    one, same, other = (perturbed(torch.exp, asked, FLOAT32, 4, seed) for seed in (3, 3, 4))
    assert all((a["x"] == b["x"]).all() for a, b in zip(one, same, strict=True))
    assert all((a["x"] != b["x"]).any() for a, b in zip(one, other, strict=True))


# --- choices ----------------------------------------------------------------------------------------------------------

TIED = [1.0, 3.0, 3.0, -2.0, 0.0]
CHOICES = {
    "relu": (torch.relu, [0.0, 1.0, -1.0], 0),
    "relu by product": (lambda x: x * (x > 0), [0.0, 1.0, -1.0], 0),
    "relu by bound": (lambda x: x.clamp(min=0), [0.0, 1.0, -1.0], 0),
    "relu by where": (lambda x: torch.where(x >= 0, x, 0 * x), [0.0, 1.0, -1.0], 0),
    "leaky relu": (lambda x: torch.nn.functional.leaky_relu(x, 0.1), [0.0, 1.0, -1.0], 0),
    "size": (torch.abs, [0.0, 1.0, -1.0], 0),
    "bounds": (lambda x: torch.clamp(x, -1, 1), [1.0, 0.5, 2.0], 0),
    "larger of two": (lambda x: torch.maximum(x, x.flip(0)), [1.0, 2.0, 1.0], 0),
    "largest": (lambda x: x.max(), TIED, 1),
    "largest along an axis": (lambda x: x.max(0)[0], TIED, 2),
    "largest by value": (lambda x: x.amax(0), TIED, 2),
    "smallest": (lambda x: (-x).min(0)[0], TIED, 2),
    "order": (lambda x: x.sort()[0], TIED, 1),
    "first few": (lambda x: x.topk(1)[0], TIED, 2),
    "pool": (lambda x: torch.nn.functional.max_pool1d(x[None], 5)[0], TIED, 2),
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("claim", [FLOAT32, Claim("float64", "float64", "float64"), Claim("bfloat16", "bfloat16", "float32")],
                         ids=lambda claim: claim.storage)
def test_a_tie_may_be_broken_either_way(name, claim):
    plain, numbers, tied = CHOICES[name]
    shape = plain(torch.tensor(numbers)).shape
    asked = trial({"x": np.array(numbers)}, [1.0 + np.arange(np.prod(shape, dtype=int)).reshape(shape)], claim.storage)
    _, tol = allowed(plain, asked, claim)
    assert tol["x"][tied] >= 1.0
    apart = [i for i, each in enumerate(numbers) if numbers.count(each) == 1 and each not in (0.0, 1.0)]
    assert name == "larger of two" or (tol["x"][apart] <= 0.2).all()


def test_a_choice_between_numbers_that_rounding_can_turn_may_be_made_either_way():
    """Products that cancel to less than their roundings, of which relu takes the sign."""
    rng = np.random.default_rng(2)
    w = rng.standard_normal(64)
    x = rng.standard_normal((200, 64))
    x[:, 0] -= x @ w / w[0]
    asked = trial({"x": x}, [np.ones(200)])
    g, tol = allowed(lambda x: torch.relu(x @ torch.tensor(np.float64(np.float32(w)))), asked, FLOAT32)
    other = np.float64(np.float32(w)) - g["x"]
    close = np.abs(asked.inputs["x"].numbers @ np.float64(np.float32(w))) < 2.0**-24 * 10
    assert close.sum() > 20
    assert (np.abs(other - g["x"]) <= tol["x"])[close].all()


# --- room -------------------------------------------------------------------------------------------------------------


def test_a_number_too_large_for_the_arithmetic_is_told():
    asked = trial({"x": np.array([300.0, 1.0])}, [np.ones(2)], "float16")
    half = Claim("float16", "float16", "float32")
    with pytest.raises(OverflownError, match="65504"):
        perturbed(lambda x: (x * x).sqrt(), asked, half, 8, 0)
    assert perturbed(lambda x: (x * x).sqrt(), asked, Claim("float16", "float32", "float32"), 8, 0)


def test_a_function_that_has_a_threshold_is_not_too_large_beyond_it():
    asked = trial({"x": np.array([-40.0, 1.0, 19.0, 300.0])}, [np.ones(4)], "float16")
    g, tol = allowed(torch.nn.functional.softplus, asked, Claim("float16", "float16", "float32"))
    assert (tol["x"] < 0.5).all()
    assert g["x"][3] == 1.0


@pytest.mark.parametrize("masked", [-torch.inf, -1e9, torch.finfo(torch.float64).min])
def test_a_mask_is_not_too_large(masked):
    def plain(x):
        return x.masked_fill(torch.tensor([[False, True], [False, False]]), masked).softmax(-1)

    asked = trial({"x": np.ones((2, 2))}, [np.eye(2)], "float16")
    for run in perturbed(plain, asked, Claim("float16", "float16", "float32"), 8, 0):
        assert np.isfinite(run["x"]).all()


def test_what_is_not_normal_may_be_flushed_to_zero():
    asked = trial({"x": np.array([-87.5, -88.0])}, [np.ones(2)])
    g, tol = allowed(torch.exp, asked, FLOAT32)
    assert (g["output 0"] <= tol["output 0"]).all()


# --- plain forms as people write them ---------------------------------------------------------------------------------


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (2 * x).exp()

    @staticmethod
    def backward(ctx, g):
        return 2 * g * (2 * ctx.saved_tensors[0]).exp()


def filled(x):
    y = torch.zeros(x.shape)
    for i in range(x.shape[0]):
        y[i] = x[i].cumsum(0)
    return y


def scattered(x):
    return torch.zeros(3, x.shape[1], dtype=torch.float32).index_add(0, torch.tensor([0, 2, 0, 1]), x.float())


def attending(x):
    return scaled_dot_product_attention(x[None], 2 * x[None], x.exp()[None], is_causal=True)[0]


def gates(x):
    cell = torch.nn.LSTMCell(5, 2, dtype=torch.float64)
    with torch.no_grad():
        for each in cell.parameters():
            each.copy_(torch.linspace(-1, 1, each.numel(), dtype=torch.float64).view(each.shape))
    return torch.cat(cell(x), -1)


# With and without what a plain form has of casts, modes and changes: the truth is the same.
WRITTEN = {
    "float": (lambda x: x.float().exp(), torch.exp),
    "half, bfloat16": (lambda x: x.half().exp().to(torch.bfloat16).type(torch.float32), torch.exp),
    "type as": (lambda x: (x.to(torch.float32) * 3).to(x.dtype), lambda x: x * 3),
    "dtype of softmax": (lambda x: torch.softmax(x, -1, dtype=torch.float32), lambda x: torch.softmax(x, -1)),
    "dtype of sum": (lambda x: x.sum(-1, dtype=torch.float32), lambda x: x.sum(-1)),
    "constant": (lambda x: x * torch.tensor(0.1) + torch.full((5,), 0.3), lambda x: x * 0.1 + 0.3),
    "range": (lambda x: x * torch.linspace(0, 1, 5) + torch.arange(0.1, 0.6, 0.1)[:5],
              lambda x: x * torch.linspace(0, 1, 5, dtype=torch.float64)
              + torch.arange(0.1, 0.6, 0.1, dtype=torch.float64)[:5]),
    "no grad": (lambda x: x * torch.no_grad()(lambda: x.exp().amax())(), lambda x: x * x.exp().amax().detach()),
    "item": (lambda x: x * (3 if x.sum().item() > -100 else 5), lambda x: x * 3),
    "in place": (lambda x: (x * 2).mul_(x).add_(1, alpha=0.5).exp_(), lambda x: (x * 2 * x + 0.5).exp()),
    "views": (lambda x: x.t()[1:].reshape(-1).view(4, -1).exp(), lambda x: x.t()[1:].reshape(4, -1).exp()),
    "filled": (filled, lambda x: x.cumsum(1)),
    "scattered": (scattered, lambda x: torch.stack([x[0] + x[2], x[3], x[1]])),
    "own function": (Doubled.apply, lambda x: (2 * x).exp()),
    "out": (lambda x: torch.add(x.detach(), 1, out=torch.empty(4, 5)) * x, lambda x: x * (x.detach() + 1)),
    "attention": (attending, attending), "gates": (gates, gates),
    "layer norm": (lambda x: torch.nn.functional.layer_norm(x, (5,)),
                   lambda x: (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()),
    "group norm": (lambda x: torch.nn.functional.group_norm(x[None, :, :], 2)[0],
                   lambda x: torch.nn.functional.layer_norm(x.view(2, 10), (10,)).view(4, 5)),
    "GELU": (torch.nn.functional.gelu, lambda x: x / 2 * (1 + torch.erf(x / 2**0.5))),
    "Huber": (lambda x: torch.nn.functional.smooth_l1_loss(x, 0 * x, reduction="none"),
              lambda x: torch.where(x.abs() < 1, x * x / 2, x.abs() - 0.5)),
    "einsum": (lambda x: torch.einsum("ij,kj->ik", x, x), lambda x: x @ x.t()),
    "convolution": (lambda x: torch.nn.functional.conv1d(x[None], x[:, None, :3], groups=4)[0],
                    lambda x: (x.unfold(1, 3, 1) * x[:, None, :3]).sum(-1)),
    "inverse": (lambda x: torch.linalg.inv(x[:, :4] + 9 * torch.eye(4)),
                lambda x: torch.linalg.inv(x[:, :4] + 9 * torch.eye(4, dtype=torch.float64))),
    "norm": (lambda x: x / x.norm(dim=-1, keepdim=True), lambda x: x / (x * x).sum(-1, keepdim=True).sqrt()),
    "spectrum": (lambda x: torch.fft.rfft(x).abs(), lambda x: torch.fft.rfft(x.double()).abs()),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_truth_is_in_float64_and_every_operation_is_perturbed(name):
    plain, simple = WRITTEN[name]
    rng = np.random.default_rng(1)
    numbers = rng.standard_normal((4, 5))
    with torch.no_grad():
        shape = simple(torch.tensor(numbers)).shape
    asked = trial({"x": numbers}, [rng.standard_normal(shape)])
    x = torch.tensor(asked.inputs["x"].numbers, requires_grad=True)
    y = simple(x)
    y.backward(torch.tensor(asked.cotangents[0].numbers))
    wanted = {"output 0": y.detach().numpy(), "x": x.grad.numpy()}
    g = truth(plain, asked)
    for key, each in wanted.items():
        np.testing.assert_allclose(g[key], each, rtol=1e-12, atol=1e-13)
    s = spread(g, perturbed(plain, asked, FLOAT32, 8, 0))
    assert s["output 0"].max() > 0
    assert all(s[key].max() < 3e-5 * max(np.abs(g[key]).max(), 1.0) for key in g)


@pytest.mark.parametrize("plain", [lambda x: torch.nn.functional.dropout(x) * torch.rand(5), lambda x: (x * x).sum() / 0,
                                   lambda x: x.reshape(7)], ids=["random", "infinite", "raises"])
def test_nothing_is_left_behind(plain):
    asked = trial({"x": np.ones((4, 5))}, [np.ones((4, 5))])
    before = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    for ask in (truth, lambda *of: perturbed(*of, FLOAT32, 4, 0)):
        with contextlib.suppress(RuntimeError):
            ask(plain, asked)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_default_dtype(), torch.get_num_threads())
    assert _get_current_dispatch_mode_stack() == []
    assert torch.overrides._get_current_function_mode_stack() == []
    assert torch.is_grad_enabled()
    assert torch.tensor(1.0).float().dtype == torch.float32


def test_it_is_differentiated_where_gradients_are_off():
    asked = trial({"x": np.ones(3)}, [np.ones(3)])
    with torch.no_grad():
        assert (truth(torch.exp, asked)["x"] > 2).all()
        assert not torch.is_grad_enabled()


# --- the textbook, and what is stored ---------------------------------------------------------------------------------

def spelt_out(call, plain):
    spelt = Spelt()
    spelt.look(call, plain)
    return spelt.found


SPELT = {
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)), "tanh": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
    "softmax": lambda x: (x - x.amax(-1, keepdim=True)).exp() / (x - x.amax(-1, keepdim=True)).exp().sum(-1, keepdim=True),
    "logarithm of softmax": lambda x: x - x.exp().sum(-1, keepdim=True).log(), "SiLU": lambda x: x / (1 + torch.exp(-x)),
    "GELU": lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)), "gates": lambda x: 1 / (1 + torch.exp(-x.chunk(1, -1)[0])),
}


@pytest.mark.parametrize("name", SPELT)
def test_functions_of_the_textbook_are_found(name):
    x = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    with wide(Wide()):
        assert len(spelt_out(lambda plain: plain(x), SPELT[name])) == 1
        assert spelt_out(lambda plain: plain(x), lambda x: (x * x + 1).sqrt()) == {}


def test_what_is_a_function_by_chance_is_forgotten():
    """A softmax of one number is 1 whatever the number."""
    spelt = Spelt()
    for shape in ((3, 1), (0, 4), (3, 4), (2, 1), (3, 5)):
        x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        spelt.look(lambda plain, x=x: plain(x), lambda x: SPELT["softmax"](x * 2 + 1))
    assert [(row.name, row.of, row.axis) for row in spelt.found.values()] == [("softmax", (1,), -1)]


def test_the_derivative_of_the_textbook_is_right_where_it_cancels():
    x = np.linspace(5, 20, 31)
    asked = trial({"x": x}, [np.ones(31)])
    y = (1 / (1 + np.exp(-x.astype(np.float32)))).astype(np.float64)
    by_textbook = FORMATS["float32"].rounded(y * (1 - y))
    g, _ = allowed(SPELT["sigmoid"], asked, FLOAT32)
    assert (np.abs(by_textbook - g["x"]) > 1e-3 * g["x"]).any()
    assert worst(SPELT["sigmoid"], asked, FLOAT32, {"x": by_textbook}) <= 16


@pytest.mark.parametrize("name", ["sigmoid", "softmax"])
def test_an_output_may_be_used_as_it_was_stored(name):
    rng = np.random.default_rng(3)
    x, g = rng.standard_normal((20, 9)) * 3, rng.standard_normal((20, 9))
    claim = Claim("bfloat16", "float32", "float32")
    asked = trial({"x": x}, [g], "bfloat16")
    x, g = asked.inputs["x"].numbers, asked.cotangents[0].numbers
    r = FORMATS["bfloat16"].rounded
    exact = 1 / (1 + np.exp(-x)) if name == "sigmoid" else np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    y = r(exact)
    back = g * y * (1 - y) if name == "sigmoid" else y * (g - (g * y).sum(-1, keepdims=True))
    assert worst(SPELT[name], asked, claim, {"output 0": y, "x": r(back)}) <= 16
    # Half a storage less is another matter.
    y = FORMATS["float8_e5m2"].rounded(exact)
    back = g * y * (1 - y) if name == "sigmoid" else y * (g - (g * y).sum(-1, keepdims=True))
    assert worst(SPELT[name], asked, claim, {"x": r(back)}) > 16


def test_attention_may_take_the_sum_from_its_output():
    rng = np.random.default_rng(4)
    asked = trial({"s": 3 * rng.standard_normal((6, 9)), "v": rng.standard_normal((9, 4))}, [rng.standard_normal((6, 4))],
                  "bfloat16")
    s, v, g = (each.numbers for each in (*asked.inputs.values(), asked.cotangents[0]))
    p = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
    out = FORMATS["bfloat16"].rounded(p @ v)
    back = FORMATS["bfloat16"].rounded(p * (g @ v.T - (g * out).sum(-1, keepdims=True)))
    claim = Claim("bfloat16", "float32", "float32")
    assert worst(lambda s, v: SPELT["softmax"](s) @ v, asked, claim, {"s": back}) <= 16


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}, {"enable_gqa": True},
                                     {"attn_mask": torch.tensor([[True, True, False]])}], ids=str)
def test_attention_of_torch_is_taken_apart_and_found(options):
    k = torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    q = torch.cat([k, k + 1], 1) if "enable_gqa" in options else k

    def plain(q, k):
        return scaled_dot_product_attention(q, k, k.exp(), **options)

    with wide(Wide()):
        assert len(spelt_out(lambda function: function(q, k), plain)) == 1
        inside = plain(q, k)
    torch.testing.assert_close(inside, plain(q, k), rtol=1e-12, atol=0)


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_name_of_the_table_is_an_operation():
    prims = {"broadcast_in_dim", "convert_element_type", "device_put", "view_of", "transpose", "copy_to"}
    assert [name for name in RULES if not hasattr(torch.ops.aten, name) and name not in prims] == []


def test_tf32_rounds_the_operands_of_products_alone():
    rng = np.random.default_rng(5)
    asked = trial({"x": rng.standard_normal((5, 40)), "w": rng.standard_normal((40, 3))}, [rng.standard_normal((5, 3))])
    x, w = (each.numbers for each in asked.inputs.values())
    r = FORMATS["tf32"].rounded
    tf32 = Claim("float32", "tf32", "float32")
    assert worst(lambda x, w: x @ w, asked, tf32, {"output 0": r(x) @ r(w)}) <= 16
    assert worst(lambda x, w: x @ w, asked, FLOAT32, {"output 0": r(x) @ r(w)}) > 16
    rounded = r(r(asked.cotangents[0].numbers).sum(0))
    assert worst(lambda x, w: x @ w * 0 + w.sum(), asked, tf32, {"output 0": rounded * 0 + r(w.sum())}) > 16


def test_what_has_no_row_is_taken_apart_or_perturbed_as_a_whole():
    assert rule_of(torch.ops.aten.smooth_l1_loss.default) is taken_apart
    assert rule_of(torch.ops.aten.linalg_inv_ex.default) is unknown


class Lucky(TorchEngine):
    """Few runs, and all of them within a fiftieth of what roundings do."""

    def perturbed(self, plain, trial, claim, count, seed):
        runs = super().perturbed(plain, trial, claim, count, seed)
        few = self.truth(plain, trial)
        return runs if count > RUNS else [{key: few[key] + (each[key] - few[key]) / 50 for key in few} for each in runs]


@pytest.mark.parametrize(("off", "failed"), [(1.0, False), (1.001, True)])
def test_an_error_that_is_not_far_is_judged_again_by_more_runs(off, failed):
    def summed(x):
        return (x * off).sum(-1)

    asked = program(summed, plain=lambda x: x.sum(-1), inputs={"x": ("N", 100)})
    engine = Lucky()
    judge = Judge(asked, engine, lambda trial: engine.answer(summed, trial))
    judged = judge.judge(trial({"x": np.linspace(-1, 2, 500).reshape(5, 100)}, [np.ones(5)]))
    assert bool(judged.failures) == failed
