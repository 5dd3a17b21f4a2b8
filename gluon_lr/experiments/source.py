"""What a function does, as plain data: its syntax tree where the source is at hand, else its bytecode.

The tree is the same on every Python, so that a record made on one is recognized on another. It is believed only where
it compiles to the very code that runs: a file may have been edited since it was imported, and several lambdas may
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
_NOT_BEHAVIOUR = ("ctx", "kind", "type_comment")


def written(function: FunctionType) -> Any:
    """The function's code without its name, docstring, decorators, annotations, and place; comments do not count.

    Example:
        >>> written(eval("lambda t: 1 / t"))[0]
        'bytecode'
    """
    code = plain_code(function.__code__)
    for node in _candidates(function):
        bare = _bare(node)
        if _compiles_to(bare, function, code):
            return ["source", _tree(_without_docstring(bare))]
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
    if isinstance(value, frozenset):  # of {1, 2} in a function's code; its order is one of memory
        return ["frozenset", *sorted((_constant(item) for item in value), key=repr)]
    return [type(value).__name__, repr(value)]


def _candidates(function: FunctionType) -> List[Any]:
    """The nodes of the function's file, or cell, that may be its source; those near its line first."""
    code = function.__code__
    try:
        linecache.checkcache(code.co_filename)
        nodes = _functions("".join(linecache.getlines(code.co_filename, function.__globals__)))
    except (SyntaxError, ValueError, OSError, UnicodeDecodeError):
        return []
    same = [node for node in nodes if getattr(node, "name", "<lambda>") == code.co_name]
    return sorted(same, key=lambda node: abs(node.lineno - code.co_firstlineno))


@functools.lru_cache(maxsize=64)
def _functions(text: str) -> Tuple[Any, ...]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return tuple(node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds))


def _bare(node: Any) -> Any:
    """A copy without name, decorators, annotations of its arguments, and defaults, whose values are known."""
    node = copy.deepcopy(node)
    arguments = node.args
    arguments.defaults, arguments.kw_defaults = [], [None] * len(arguments.kwonlyargs)
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for argument in filter(None, every):
        argument.annotation = None
    if not isinstance(node, ast.Lambda):
        node.name, node.decorator_list, node.returns = "function", [], None
    # Positional-only arguments without defaults and the like stay as they are: they are part of the call.
    return node


def _compiles_to(node: Any, function: FunctionType, expected: List[Any]) -> bool:
    """Whether ``node``, where the function stands, gives its code."""
    statement = node if isinstance(node, ast.stmt) else ast.Expr(node)
    # Its free variables are the arguments of a function around it, its private names those of a class around that.
    around = ast.parse("def around({}): pass".format(", ".join(function.__code__.co_freevars)))
    around.body[0].body = [statement]
    *_, outer, _ = [None, None, *function.__qualname__.split(".")]
    if outer not in (None, "<locals>"):
        shell = ast.parse(f"class {outer}: pass")
        shell.body[0].body, around = around.body, shell
    try:
        flags = function.__code__.co_flags & _FUTURE
        code = compile(ast.fix_missing_locations(around), "<source>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    while code.co_name != "around":
        code = next(value for value in code.co_consts if isinstance(value, CodeType))
    return any(plain_code(value) == expected for value in code.co_consts if isinstance(value, CodeType))


def _without_docstring(node: Any) -> Any:
    if not isinstance(node, ast.Lambda) and ast.get_docstring(node, clean=False) is not None:
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
