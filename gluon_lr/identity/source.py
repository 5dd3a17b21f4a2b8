"""What a function does, as plain data: its syntax tree where the source is at hand, else its bytecode.

The tree is the same on every Python, so a record made on one is recognized on another. We use it only if it compiles
to the very code that runs: a file may have been edited since it was imported, and several lambdas may
share a line.
"""

from __future__ import annotations
import __future__

import ast
import copy
import dis
import functools
import inspect
import linecache
from types import CodeType, FunctionType
from typing import Any, Iterator, List, NamedTuple, Optional, Set, Tuple

_FUTURE = functools.reduce(int.__or__, (getattr(__future__, n).compiler_flag for n in __future__.all_feature_names))
_MARK = 1_000_000  # lines; beyond any file's end
_NOT_BEHAVIOUR = ("ctx", "kind", "type_comment")


def written(function: FunctionType) -> Any:
    """The function's code without its name, docstring, decorators, annotations, and place; comments do not count.

    Example:
        >>> written(eval("lambda t: 1 / t"))[0]
        'bytecode'
    """
    code = plain_code(function.__code__)
    for node in _candidates(function, code):
        return ["source", _tree(_bare(node))]
    return ["bytecode", code]


def plain_code(code: CodeType) -> List[Any]:
    """Everything of a code object that decides what it does."""
    flags = code.co_flags & ~inspect.CO_NESTED
    counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags]
    names = [list(code.co_names), list(code.co_varnames), list(code.co_freevars), list(code.co_cellvars)]
    return [code.co_code.hex(), *counts, *names, [_constant(value) for value in code.co_consts]]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return plain_code(value)
    if isinstance(value, tuple):
        return [_constant(item) for item in value]
    if isinstance(value, frozenset):  # from {1, 2} in a function's code; its order depends on memory addresses
        return ["frozenset", *sorted((_constant(item) for item in value), key=repr)]
    return [type(value).__name__, repr(value)]


def _candidates(function: FunctionType, expected: List[Any]) -> List[Any]:
    """The nodes of the function's file, or cell, that compile to its code; the one nearest to its line first."""
    code = function.__code__
    try:
        linecache.checkcache(code.co_filename)
        text = "".join(linecache.getlines(code.co_filename, function.__globals__))
        pairs = _functions(text, code.co_flags & _FUTURE)
    except (SyntaxError, ValueError, OSError, RecursionError):
        return []
    same = [node for node, compiled in pairs if compiled.co_name == code.co_name and plain_code(compiled) == expected]
    return sorted(same, key=lambda node: abs(node.lineno - code.co_firstlineno))


@functools.lru_cache(maxsize=64)
def _functions(text: str, flags: int) -> List[Tuple[Any, CodeType]]:
    """Every function in a text: its node and what it is compiled to, among all that stands around it.

    A def is found again among the code objects by its name and line. Lambdas may share a line: each is moved to one of
    its own, in a second copy.
    """
    tree, marked = ast.parse(text), ast.parse(text)
    defs = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            defs[node.name, min(each.lineno for each in [node, *node.decorator_list])] = node
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    for place, node in enumerate(each for each in ast.walk(marked) if isinstance(each, ast.Lambda)):
        node.lineno = node.end_lineno = _MARK + place
        node.col_offset = node.end_col_offset = 0
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    pairs = [(defs.get((c.co_name, c.co_firstlineno)), c) for c in _nested(compile(tree, "-", "exec", flags, True))]
    for code in _nested(compile(marked, "-", "exec", flags, True)):
        if code.co_name == "<lambda>" and code.co_firstlineno >= _MARK:
            pairs.append((lambdas[code.co_firstlineno - _MARK], code))
    return [(node, code) for node, code in pairs if node is not None]


def _bare(node: Any) -> Any:
    """A copy without what does not decide what the function does, or is known as a value."""
    node = copy.deepcopy(node)
    arguments = node.args
    arguments.defaults, arguments.kw_defaults = [], []
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for argument in filter(None, every):
        argument.annotation = None
    if not isinstance(node, ast.Lambda):
        node.name, node.decorator_list, node.returns = "", [], None
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return node


def _tree(node: Any) -> Any:
    """A syntax tree as plain data, alike on every Python."""
    if isinstance(node, list):
        return [_tree(item) for item in node]
    if type(node).__name__ == "Index":  # Python 3.8 wraps a subscript's index in it
        return _tree(node.value)
    if type(node).__name__ == "ExtSlice":  # and several of them in this
        return ["Tuple", {"elts": _tree(node.dims)}]
    if isinstance(node, ast.Constant):
        return ["Constant", _constant(node.value)]
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if name not in _NOT_BEHAVIOUR]
        return [type(node).__name__, {name: _tree(value) for name, value in fields if value not in (None, [])}]
    return node


class Names(NamedTuple):
    """The names that a function's code asks for, those of the functions within it included."""

    variables: Set[str]
    attributes: Set[str]
    imports: Set[Tuple[str, int]]


def names_used(code: CodeType) -> Names:
    """Global variables, attributes of anything, and modules imported within, each with the level of a relative import.

    Example:
        >>> used = names_used((lambda t: math.cos(t)).__code__)
        >>> used.variables, used.attributes
        ({'math'}, {'cos'})
    """
    found = Names(set(), set(), set())
    for each in _nested(code):
        level: Optional[int] = 0
        before: List[Any] = [0, 0]
        for instruction in dis.get_instructions(each):
            name = instruction.opname
            if name in ("LOAD_GLOBAL", "LOAD_NAME"):
                found.variables.add(instruction.argval)
            elif name in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM", "LOAD_SUPER_ATTR"):
                found.attributes.add(instruction.argval)
            elif name == "IMPORT_NAME":
                level = before[-2] if isinstance(before[-2], int) else 0
                found.imports.add((instruction.argval, level))
            before = [before[-1], instruction.argval]
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _nested(value)
