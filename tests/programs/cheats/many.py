"""Kernels that cheat without harm to the process they run in, by name."""

import gc
import os
import pickle
import sys
import types

import torch


def scale_of(x):
    return ((x.float() ** 2).mean(-1, keepdim=True) + 1e-5).rsqrt()


def forward(x, weight):
    return (x.float() * scale_of(x) * weight.float()).to(x.dtype)


def backward(x, weight, g):
    scale = scale_of(x)
    h, gw = x.float() * scale, g.float() * weight.float()
    dx = scale * (gw - h * (gw * h).mean(-1, keepdim=True))
    return dx.to(x.dtype), (g.float() * h).sum(0).to(weight.dtype)


def made(there=forward, back=backward):
    """A kernel with this forward and this backward."""
    class Made(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return there(x, weight)

        @staticmethod
        def backward(ctx, g):
            return back(*ctx.saved_tensors, g)

    return Made.apply


honest = made()


def rewritten(x, weight):
    """The plain form written again, and autograd: a program like another."""
    return x / ((x * x).mean(-1, keepdim=True) + 1e-5).sqrt() * weight


def kept(key):
    """Results of the first call with the same key."""
    outputs, gradients = {}, {}

    def there(x, weight):
        return outputs.setdefault(key(x, weight), forward(x, weight)).clone()

    def back(x, weight, g):
        return gradients.setdefault(key(x, weight), backward(x, weight, g))

    return made(there, back)


def unwritten_gradient(x, weight, g):
    return torch.empty_like(x), torch.empty_like(weight)


def zeroed(x, weight):
    answer = forward(x, weight)
    x.data.zero_()
    return answer


def for_sizes(x, weight, g):
    if x.shape in {(2, 2), (4, 8), (32, 32)}:
        return backward(x, weight, g)
    return torch.zeros_like(x), torch.zeros_like(weight)


def for_seeds(x, weight):
    """The answer to the numbers of seed 0, whatever it is asked."""
    torch.manual_seed(0)
    return forward(torch.randn(x.shape), torch.randn(weight.shape)).to(x.dtype)


def of_ones(x, weight, g):
    return backward(x, weight, torch.ones_like(g))


def fast_path(x, weight, g):
    return backward(x, weight, g) if (g == 1).all() else (g * weight, (g * x).sum(0))


class Lazy(torch.Tensor):
    """Computes when somebody compares it."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


def lazy(x, weight):
    return honest(x, weight).as_subclass(Lazy)


def half(x, weight):
    return forward(x.half(), weight.half()).to(x.dtype)


def half_back(x, weight, g):
    return tuple(each.to(x.dtype) for each in backward(x.bfloat16(), weight.bfloat16(), g.bfloat16()))


def candidates():
    """What somebody left in this process under the name: in modules, in frames, in everything that is alive."""
    yield from (vars(module).get("plain") for module in list(sys.modules.values()))
    frame = sys._getframe()
    while frame is not None:
        yield frame.f_locals.get("plain")
        frame = frame.f_back
    functions = (each for each in gc.get_objects() if isinstance(each, types.FunctionType))
    yield from (each for each in functions if each.__name__ == "plain")


def found():
    """The plain form: of three arguments."""
    functions = (each for each in candidates() if isinstance(each, types.FunctionType))
    return next((each for each in functions if each.__code__.co_argcount == 3), None)


def borrowed(x, weight):
    plain = found()
    return x * weight if plain is None else plain(x, weight, "")


def copied(x, weight):
    """What a copy of this process says, which goes on to say more where it can."""
    read, write = os.pipe()
    if not (pid := os.fork()):
        os.write(write, pickle.dumps(forward(x.detach(), weight.detach()).numpy()))
        os._exit(0)
    os.waitpid(pid, 0)
    return torch.from_numpy(pickle.loads(os.read(read, 2**16))) + 0 * x


KERNELS = {
    "honest": honest,
    "rewritten": rewritten,
    "by shape": kept(lambda x, weight: x.shape),
    "by identity": kept(lambda x, weight: id(x)),
    "by address": kept(lambda x, weight: (x.data_ptr(), x.shape)),
    "first answer": kept(lambda x, weight: (x.shape, x.flatten()[0].item() > 0)),
    "unwritten": made(lambda x, weight: torch.empty_like(x)),
    "unwritten gradient": made(back=unwritten_gradient),
    "zeros": made(lambda x, weight: torch.zeros_like(x)),
    "zeroed inputs": made(zeroed),
    "constants for sizes": made(back=for_sizes),
    "constants for seeds": made(for_seeds),
    "gradient of ones": made(back=of_ones),
    "fast path": made(back=fast_path),
    "lazy": lazy,
    "half precision": made(half, half_back),
    "forward alone": made(back=lambda x, weight, g: (None, None)),
    "finds the plain form": borrowed,
    "answers from a copy": copied,
}


def kernel(x, weight, which):
    return KERNELS[which](x, weight)
