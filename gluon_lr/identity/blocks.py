"""What MXNet's objects and ours are, as plain data: see :mod:`gluon_lr.identity.walk`."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any, FrozenSet, List, Tuple

import mxnet as mx
import numpy as np
from mxnet import gluon

from ..data.batches import ArrayBatches
from ..files import array_digest
from ..schedulers import Scheduler
from ..state.private import (
    arrays_of,
    children_of,
    deferred_initializers,
    hooks_of,
    is_initialized,
    output_symbol,
    what_loader_serves,
)
from .python import describe_object


def _schedule(walk: Any, schedule: Any, where: str) -> Any:
    """One of our schedules: class and arguments, and none of its caches."""
    if not dataclasses.is_dataclass(schedule):
        return describe_object(walk, schedule, where)
    arguments = {field.name: getattr(schedule, field.name) for field in dataclasses.fields(schedule)}
    return ["schedule", walk.describe(type(schedule), where), walk.named(arguments, where)]


def _batches(walk: Any, batches: ArrayBatches, where: str) -> Any:
    """One of our loaders: everything but the epoch, which a training sets."""
    about = {name: value for name, value in vars(batches).items() if name != "epoch"}
    return ["batches", walk.describe(type(batches), where), walk.named(about, where)]


def _data_loader(walk: Any, loader: Any, where: str) -> Any:
    """The data that it loads and in which batches; the number of workers does not count."""
    return ["loader", walk.describe(type(loader), where), walk.named(what_loader_serves(loader), where)]


def _array(walk: Any, array: Any, where: str) -> Any:
    return ["device array", array.stype, walk.describe(array.asnumpy(), where)]


def _parameter(walk: Any, parameter: Any, where: str) -> Any:
    """Shape, type and initializer, and the values where there are some; not the name, which holds a counter."""
    if isinstance(parameter, gluon.Constant):
        return ["constant", walk.describe(parameter.value, where)]
    shape = None if parameter.shape is None else [int(size) for size in parameter.shape]
    initializers = [parameter.init, *deferred_initializers(parameter)]
    about = [np.dtype(parameter.dtype).name, parameter.grad_req, parameter.lr_mult, parameter.wd_mult, initializers]
    values = array_digest(arrays_of(parameter)[0].asnumpy()) if is_initialized(parameter) else None
    return ["parameter", shape, walk.describe(about, where), values]


def _block(walk: Any, block: Any, where: str) -> Any:
    attributes = {name: value for name, value in vars(block).items() if name not in _bookkeeping()}
    with walk.without(block.prefix):
        return [
            "block",
            walk.describe(type(block), where),
            walk.named(attributes, where),
            walk.items(list(block.params.values()), where),
            [[name, walk.describe(child, f"{where}.{name}")] for name, child in children_of(block).items()],
            walk.items(hooks_of(block), where),
            _graph(output_symbol(block)) if isinstance(block, gluon.SymbolBlock) else None,
        ]


def _graph(symbol: Any) -> Any:
    """A symbol's operators and how they are connected, without their names, which hold counters."""
    graph = json.loads(symbol.tojson())
    nodes = [[node["op"], node.get("attrs", {}), node["inputs"]] for node in graph["nodes"]]
    return [nodes, graph["arg_nodes"], graph["heads"]]


@functools.lru_cache(maxsize=1)
def _bookkeeping() -> FrozenSet[str]:
    """The attributes that every block has: names, caches and what else is described by itself."""
    return frozenset(vars(gluon.HybridBlock()))


BY_TYPE: List[Tuple[Any, Any]] = [
    (Scheduler, _schedule),
    (ArrayBatches, _batches),
    (gluon.data.DataLoader, _data_loader),
    (mx.nd.NDArray, _array),
    (gluon.Parameter, _parameter),
    (gluon.Block, _block),
    (mx.Context, lambda walk, context, where: ["context", str(context)]),
    (mx.symbol.Symbol, lambda walk, symbol, where: ["symbol", _graph(symbol)]),
]
