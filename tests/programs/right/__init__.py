"""Right programs of twelve operations: each beside its plain form, in two kernels and as eager PyTorch."""

from . import (
    attention,
    average_pool,
    conv1d,
    cross_entropy,
    embedding,
    gated_norm_linear,
    geglu,
    group_norm,
    layer_norm,
    lstm_cell,
    rms_norm,
    softmax,
)
from .operation import FLOATS, STYLES, Operation

OPERATIONS = {each.OPERATION.name: each.OPERATION for each in (
    layer_norm, rms_norm, group_norm, softmax, cross_entropy, embedding, attention, conv1d, average_pool, geglu,
    gated_norm_linear, lstm_cell)}

__all__ = ["FLOATS", "OPERATIONS", "STYLES", "Operation"]
