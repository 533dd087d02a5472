"""Guard zones around tensors, and memory that is full of NaN until somebody writes to it."""

import pytest
import torch
from backproof.programs.torch_engine.guarded import PLACES, Guards, guarded, poisoned

LAYOUTS = {
    "contiguous": lambda: torch.randn(3, 4), "transposed": lambda: torch.randn(3, 4).T,
    "expanded": lambda: torch.randn(1, 4).expand(3, 4), "every second": lambda: torch.randn(6, 8)[::2, ::2],
    "scalar": lambda: torch.randn(()), "empty": lambda: torch.empty(0, 3), "mask": lambda: torch.ones(3) > 0,
    "bfloat16": lambda: torch.randn(4, 5).bfloat16()[1:], "index": lambda: torch.arange(5),
    "leaf": lambda: torch.randn(3, requires_grad=True),
    "fp8": lambda: torch.randn(3).to(torch.float8_e5m2),
}


def at(tensor, offset):
    """The entry that lies so many entries after the first one, whoever's it is."""
    return tensor.detach().as_strided((1,), (1,), tensor.storage_offset() + offset)


@pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)
def test_a_guarded_tensor_is_the_same_to_whoever_gets_it(make):
    tensor = make()
    inside, check = guarded(tensor)
    assert torch.equal(inside.double(), tensor.double())
    assert (inside.dtype, inside.stride()) == (tensor.dtype, tensor.stride())
    assert inside.requires_grad == tensor.requires_grad
    assert (inside.is_leaf, inside._base, inside.data_ptr() % 64) == (True, None, 0)
    assert check() == ""


@pytest.mark.parametrize(("offset", "place"), [(-1, PLACES[0]), (1, PLACES[1]), (37, PLACES[1]), (39, PLACES[2])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
def test_a_write_outside_is_told_with_its_place(offset, place, dtype):
    inside, check = guarded(torch.zeros(6, 8, dtype=dtype)[::2, ::2])  # its last entry is 38 after the first
    at(inside, offset).zero_()
    assert check() == place


def test_a_write_inside_is_no_matter_of_the_guards():
    for make in LAYOUTS.values():
        inside, check = guarded(make())
        with torch.no_grad():
            (inside[:1] if inside.stride()[:1] == (0,) else inside).zero_()
        assert check() == ""


def test_a_number_read_from_a_zone_is_nan():
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        inside, _ = guarded(torch.zeros(3, dtype=dtype))
        assert at(inside, 3).isnan().all()
        assert at(inside, -1).isnan().all()


class Scribbles(torch.autograd.Function):
    """Its backward gives memory that it never wrote, and writes behind it where told."""

    @staticmethod
    def forward(ctx, x, behind):
        ctx.behind = behind
        return x * 2

    @staticmethod
    def backward(ctx, cotangent):
        made = torch.empty_like(cotangent)
        if ctx.behind:
            at(made, made.numel()).zero_()
        return made, None


@pytest.mark.parametrize(("behind", "said"), [(False, ""), (True, "torch.empty_like (past its end)")])
def test_memory_never_written_is_nan_inside_a_backward_too_and_has_guards(behind, said):
    x = torch.randn(3, requires_grad=True)
    with poisoned() as memory:
        (gradient,) = torch.autograd.grad(Scribbles.apply(x, behind), x, torch.ones(3))
    assert gradient.isnan().all()
    assert memory.check() == said


MADE = {
    "empty": lambda: torch.empty(2, 3), "empty_like": lambda: torch.empty_like(torch.zeros(2, 3)),
    "empty_strided": lambda: torch.empty_strided((2, 3), (1, 2)), "new_empty": lambda: torch.zeros(1).new_empty(2, 3),
    "empty_permuted": lambda: torch.empty_permuted((2, 3), (1, 0)),
    "aten": lambda: torch.ops.aten.empty.memory_format([2, 3]),
    "new_empty_strided": lambda: torch.zeros(1).new_empty_strided((2, 3), (3, 1)), "Tensor": lambda: torch.Tensor(2, 3),
    "half": lambda: torch.empty(2, 3, dtype=torch.float16), "leaf": lambda: torch.empty(2, 3, requires_grad=True),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_every_way_to_unwritten_memory_gives_nan(make):
    usual = make()
    with poisoned():
        made = make()
    assert made.isnan().all()
    assert (made.dtype, made.shape, made.stride(), made.requires_grad) == (
        usual.dtype, usual.shape, usual.stride(), usual.requires_grad)


def test_integers_are_the_largest_and_nothing_is_left_switched_on():
    with poisoned():
        assert torch.empty(2, dtype=torch.int32).tolist() == [2**31 - 1] * 2
        assert torch.empty(2, dtype=torch.bool).all()
        assert torch.empty(2, device="meta").shape == (2,)
        assert not torch.nn.Linear(3, 4)(torch.zeros(2, 3)).isnan().any()
    assert not torch.are_deterministic_algorithms_enabled()
    assert len(torch.utils._python_dispatch._get_current_dispatch_mode_stack()) == 0


def test_memory_that_is_resized_is_not_said_to_be_overwritten():
    with poisoned() as memory:
        torch.add(torch.ones(9), 1, out=torch.empty(0))
        torch.empty(2).resize_(4000).zero_()
    assert memory.check() == ""


def test_what_is_given_is_a_tensor_of_the_call_before_with_other_numbers_in_it():
    def call(numbers):
        guards = Guards(poison=False)
        given = guards.around("x", numbers)
        assert torch.equal(given, numbers)
        assert guards.told() == []
        return given

    for make in LAYOUTS.values():
        first, version = call(make()), call(make())._version
        again = call(make())
        assert again is first
        assert again._version > version  # whoever looks whether it was changed is told
        assert (again.grad, again.is_leaf) == (None, True)
        assert call(torch.randn(300, 5)) is not first


def test_what_was_given_other_memory_is_not_used_again():
    def call(spoil):
        guards = Guards(poison=False)
        given = guards.around("x", torch.randn(3, 5))
        spoil(given)
        guards.told()
        return given

    for spoil in (lambda x: x.resize_(3000, 5), lambda x: x.set_(torch.zeros(3, 5)), torch.Tensor.requires_grad_,
                  torch.Tensor.t_):
        spoiled = call(spoil)
        assert call(lambda _: None) is not spoiled
