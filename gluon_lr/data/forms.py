"""The forms that a batch may have: its inputs go into the net, and the net's outputs are compared with its targets.

A batch is a pair (inputs, targets). Inputs are an array, or a tuple, list or dict of arrays; targets likewise, or
None. Any other batch needs a function that makes such a pair of it: ``unpack=`` of ``train``, ``evaluate``,
``Learner`` and ``compare``.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, List, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import gluon

from ..errors import UsageError
from ..state.private import registered_parameters
from .host import array_of

Pair = Tuple[Any, Any]
Unpack = Callable[[Any], Pair]


def unpack_pair(batch: Any) -> Pair:
    """The inputs and targets of a ``(data, label)`` pair, or of a ``DataBatch`` of MXNet's iterators.

    Raises:
        UsageError: the batch has another form; the text has the line to write.

    Example:
        >>> unpack_pair(("images", "labels"))
        ('images', 'labels')
    """
    if isinstance(batch, mx.io.DataBatch):
        return _single(_without_padding(batch, batch.data)), _single(_without_padding(batch, batch.label))
    if isinstance(batch, (list, tuple)) and len(batch) == 2:
        return batch[0], batch[1]
    if isinstance(batch, dict):
        named = ", ".join(map(repr, batch))
        inputs, target = (list(map(repr, batch)) + ["'x'", "'y'"])[:2]
        form, line = f"a dict of {named}", f"lambda batch: (batch[{inputs}], batch[{target}])"
    elif isinstance(batch, (list, tuple)):
        form = f"{len(batch)} items"
        first = ", ".join(f"batch[{i}]" for i in range(max(1, len(batch) - 1)))
        line = f"lambda batch: (({first},), batch[{max(0, len(batch) - 1)}])"
        if len(batch) > 2:
            labels = ", ".join(f"batch[{i}]" for i in range(1, len(batch)))
            line = f"{line} for several inputs, or unpack=lambda batch: (batch[0], ({labels})) for several labels"
    else:
        form, line = f"a {type(batch).__name__}", "lambda batch: (batch, None)"
    raise UsageError(
        f"a batch is {form}: expected a pair (data, label). Say what the net takes and what its output is compared "
        f"with, for example unpack={line}"
    )


def unpacked(unpack: Unpack, batch: Any) -> Pair:
    """What ``unpack`` makes of a batch.

    Raises:
        UsageError: it is no pair.
    """
    pair = unpack(batch)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        what = f"{len(pair)} items" if isinstance(pair, (tuple, list)) else f"a {type(pair).__name__}"
        raise UsageError(
            f"unpack gives {what}: expected a pair (inputs, targets), each one array or a tuple of them, such as "
            "unpack=lambda batch: (batch[0], (batch[1], batch[2]))"
        )
    return pair[0], pair[1]


def _single(arrays: Sequence[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else list(arrays)


def _without_padding(batch: Any, arrays: Any) -> List[Any]:
    """Leave out the earlier examples with which an iterator of MXNet's fills up its last batch."""
    return [array[: len(array) - batch.pad] if batch.pad else array for array in arrays or ()]


def each(function: Callable[[Any], Any], value: Any) -> Any:
    """``function`` of every array in ``value``, in the same tuples, lists and dicts; None stays None."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: each(function, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(each(function, item) for item in value)
    return function(value)


def arrays_in(value: Any) -> List[Any]:
    """Every array in nested tuples, lists and dicts."""
    found: List[Any] = []
    each(found.append, value)
    return found


def length(value: Any) -> int:
    """How many examples: the length of the first array.

    Raises:
        UsageError: there is no array.
    """
    arrays = arrays_in(value)
    if not arrays or not hasattr(arrays[0], "shape") or not arrays[0].shape:
        raise UsageError(f"a batch has no array of examples: {type(value).__name__}, expected (data, label)")
    return arrays[0].shape[0]


def shards(pair: Pair, contexts: Sequence[mx.Context]) -> List[Pair]:
    """The pair on its context, or split into one pair a context.

    Raises:
        UsageError: there are fewer examples than contexts.
    """
    if len(contexts) == 1:
        return [each(lambda array: _placed(array, contexts[0]), pair)]
    examples = length(pair[0])
    if examples < len(contexts):
        raise UsageError(
            f"a batch of {examples} cannot be split over {len(contexts)} contexts: expected at least {len(contexts)} "
            "examples. Have the loader discard a smaller last batch (last_batch='discard'), or use one context"
        )
    bounds = [examples * i // len(contexts) for i in range(len(contexts) + 1)]
    return [
        each(lambda array, a=a, b=b, context=context: _placed(array[a:b], context), pair)
        for context, a, b in zip(contexts, bounds, bounds[1:])
    ]


def slices(pair: Pair, at_once: int, least: int = 1) -> List[Pair]:
    """The pair in pieces of at most ``at_once`` examples; as even as can be where the last would have fewer than
    ``least``."""
    examples = length(pair[0])
    if examples <= at_once:
        return [pair]
    bounds = [*range(0, examples, at_once), examples]
    if bounds[-1] - bounds[-2] < least:
        pieces = len(bounds) - 1
        bounds = [examples * i // pieces for i in range(pieces + 1)]
    return [each(lambda array, a=a, b=b: array[a:b], pair) for a, b in zip(bounds, bounds[1:])]


def _placed(array: Any, context: mx.Context) -> Any:
    if isinstance(array, np.ndarray):
        with context:
            return array_of(array)
    if isinstance(array, mx.np.ndarray):
        return array.as_in_ctx(context)
    return array.as_in_context(context) if isinstance(array, mx.nd.NDArray) else array


def call(net: Any, inputs: Any) -> Any:
    """The net's output for inputs. The arrays of a tuple or list become several arguments if its forward pass takes
    several, and one argument if it takes one."""
    if isinstance(inputs, (list, tuple)) and _takes_several(net):
        return net(*inputs)
    return net(inputs)


def _takes_several(net: Any) -> bool:
    """Whether the forward pass of ``net`` has more than one argument of data."""
    kind = type(net)
    hybrid = isinstance(net, gluon.HybridBlock) and kind.forward is gluon.HybridBlock.forward
    function = kind.hybrid_forward if hybrid else getattr(kind, "forward", kind.__call__)
    parameters = list(inspect.signature(function).parameters.values())[2 if hybrid else 1 :]
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return True
    own = set(registered_parameters(net)) if hybrid else set()
    return sum(parameter.name not in own for parameter in parameters) > 1
