"""Finds the texts of a source tree that reach the user: follows literals through names, tables and loops to tr().

Nothing is imported and nothing is run. A text may travel through local names, loops, comprehensions, conditions,
subscripts, module constants (also of other modules) and parameters of functions of the same module. What reaches tr()
through attributes of objects has to be named where it enters: the constructors and methods in SINKS.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEPTH = 14
# Callee -> which of its arguments are English texts that it translates: positions and names
SINKS: Mapping[str, tuple[int | str, ...]] = {
    "tr": (0,), "tell": (1,), "Card": (0, 1, 2, "title", "caption", "empty"), "EmptyState": (0, 1, 3, "button"),
    "Command": (1, "text", "menu"), "TabInfo": ("title", "group", "summary"), "Axis": (0, "label"),
    "Number": (5, "group", "warning"), "replace": ("group",), "set_caption": (0,), "show_empty": (0,),
    "add_action": (0,), "warn": (0,), "blamed": (0,), "Device": ("title",), "phrase": (0,),
}  # fmt: skip
PAIRS = {"PageBar": 0}  # callee -> the argument that lists (id, text)
WORDED = ("function", "got", "method", "path", "reason", "role", "where")  # values that are words of ours
TEMPLATES = ("what", "why", "remedy")  # class attributes of errors
KEEP = ("lower", "upper", "capitalize", "strip", "rstrip", "removesuffix")  # methods that leave a text recognisable
PASS = ("list", "tuple", "sorted", "reversed", "set", "iter", "str")  # functions that leave the elements
HOLE, NAMES = re.compile(r"\{\d+\}"), re.compile(r"\{[^{}]*\}")


@dataclass
class Module:
    """One source file, with what is needed to follow names in it."""

    name: str
    tree: ast.Module
    constants: dict[str, list[ast.expr]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    functions: dict[str, list[ast.FunctionDef]] = field(default_factory=dict)
    above: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                self.above[child] = node
            if isinstance(node, ast.FunctionDef):
                self.functions.setdefault(node.name, []).append(node)
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (node.module, alias.name)
        for statement in self.tree.body:
            for target, value in assigned(statement):
                if isinstance(target, ast.Name):
                    self.constants.setdefault(target.id, []).append(value)
                elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    for name, part in zip(target.elts, value.elts, strict=False):
                        if isinstance(name, ast.Name):
                            self.constants.setdefault(name.id, []).append(part)


def assigned(statement: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Target and value of an assignment; nothing for other statements."""
    if isinstance(statement, ast.Assign):
        yield from ((target, statement.value) for target in statement.targets)
    elif isinstance(statement, ast.AnnAssign | ast.NamedExpr | ast.AugAssign) and statement.value is not None:
        yield statement.target, statement.value


def room(module: str) -> str:
    """The room of a module, which is the name of its catalogue file: app.shell, app.tabs.mixtures, engine.data ..."""
    parts = module.split(".")
    if parts[:2] in (["app", "tabs"], ["engine", "studies"]):
        return ".".join(parts[:3]) if len(parts) > 3 else ".".join(parts[:2])
    return ".".join(parts[:2]) if len(parts) > 2 else f"{parts[0]}.shell" if parts[0] == "app" else "engine"


def read(root: Path, packages: Iterable[str]) -> dict[str, Module]:
    """Dotted name -> module, of all files below these packages."""
    found = {}
    for path in sorted(path for package in packages for path in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        # the package itself keeps a last part, so that its room is that of its modules
        full = name if parts[-1] != "__init__" else f"{name}.__init__"
        found[name] = Module(full, ast.parse(path.read_text("utf-8")))
    return found


def spoken(text: str) -> bool:
    """Whether a text has words: more than symbols, numbers and values; a letter beside a value may be a unit."""
    return bool(re.search(r"[^\W\d_]{2}" if "{" not in text else r"[A-Za-z]", NAMES.sub("", text)))


def pattern(text: ast.JoinedStr) -> str:
    """An f-string as a pattern with the holes {0}, {1} ...; "" when it has no words of its own."""
    parts, hole = [], 0
    for part in text.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        else:
            parts.append(f"{{{hole}}}")
            hole += 1
    found = "".join(parts)
    return found if re.search(r"[A-Za-z]{3}", HOLE.sub("", found)) else ""


class Texts:
    """Collects the texts of some modules.

    Attributes:
        found: text -> the room in which it was first met. loose: (module, line) of translated arguments whose text
            could not be followed.
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        self.found: dict[str, str] = {}
        self.loose: list[tuple[str, int]] = []
        self._plots = self._subclasses("Plot")

    def collect(self, skip: Callable[[str], bool] = lambda _: False) -> None:
        """Go through all modules but those whose name ``skip`` accepts."""
        for name, module in self.modules.items():
            if not skip(name):
                for node in ast.walk(module.tree):
                    if isinstance(node, ast.Call):
                        self._call(module, node)
                    elif isinstance(node, ast.ClassDef):
                        self._templates(module, node)
                    elif isinstance(node, ast.Raise):
                        self._validator(module, node)
                    elif isinstance(node, ast.Dict):
                        for key, value in zip(node.keys, node.values, strict=True):
                            if isinstance(key, ast.Constant) and key.value in WORDED:
                                self._take_words(module, value)
                    elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Dict):
                        self._take_words(module, node.elts[0])

    # What counts -----------------------------------------------------------------------------------------------------
    def _call(self, module: Module, call: ast.Call) -> None:
        callee = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        places = SINKS.get(callee, (0,) if callee in self._plots else ())
        for argument in [call.args[i] for i in places if isinstance(i, int) and i < len(call.args)]:
            self._take(module, argument, strict=callee == "tr")
        raises = callee[:1].isupper() or callee == "tr"
        for keyword in call.keywords:
            if keyword.arg in places:
                self._take(module, keyword.value)
            elif raises and keyword.arg in WORDED:
                self._take_words(module, keyword.value)
        if callee == "Note":
            for argument in call.args[:2]:
                self._take_words(module, argument)
        if callee in PAIRS and call.args:
            for pair in self._elements(module, call.args[PAIRS[callee]], 0):
                for text in self._part(module, pair, 1, 0):
                    self._add(module, text)

    def _templates(self, module: Module, cls: ast.ClassDef) -> None:
        for statement in cls.body:
            for target, value in assigned(statement):
                if isinstance(target, ast.Name) and target.id in TEMPLATES:
                    self._take(module, value)

    def _validator(self, module: Module, node: ast.Raise) -> None:
        """What pydantic validators of configs complain of: a form shows it."""
        if module.name.endswith("config") and isinstance(node.exc, ast.Call) and node.exc.args:
            self._take(module, node.exc.args[0])

    def _take(self, module: Module, expression: ast.expr, strict: bool = False) -> None:
        texts = self._possible(module, expression, 0)
        for text in texts:
            self._add(module, text)
        if strict and not texts:
            self.loose.append((module.name, expression.lineno))

    def _take_words(self, module: Module, expression: ast.expr) -> None:
        """Sentences where names of things, which are no words of ours, may stand as well."""
        for node in self._possible(module, expression, 0):
            if isinstance(node, ast.JoinedStr) or " " in str(getattr(node, "value", "")):
                self._add(module, node)

    def table(self, module: str, name: str, keys: bool = False) -> None:
        """All texts of a module's constant, however deep; of a dict the values, or the keys as well."""
        for node in self._constant(self.modules[module], name, 0):
            self._all(self.modules[module], node, keys)

    def _all(self, module: Module, node: ast.expr, keys: bool) -> None:
        parts = {ast.Tuple: ("elts",), ast.List: ("elts",), ast.Dict: ("keys", "values") if keys else ("values",)}
        for name in parts.get(type(node), ()):
            for part in getattr(node, name):
                self._all(module, part, keys)
        self._add(module, node)

    def _add(self, module: Module, node: ast.expr) -> None:
        text = pattern(node) if isinstance(node, ast.JoinedStr) else getattr(node, "value", None)
        if isinstance(text, str) and spoken(text):
            self.found.setdefault(text, room(module.name))

    def _subclasses(self, base: str) -> set[str]:
        classes = [node for m in self.modules.values() for node in ast.walk(m.tree) if isinstance(node, ast.ClassDef)]
        found, size = {base}, 0
        while len(found) != size:
            size = len(found)
            found |= {cls.name for cls in classes if any(getattr(one, "id", "") in found for one in cls.bases)}
        return found

    # Following expressions -------------------------------------------------------------------------------------------
    def _possible(self, module: Module, node: ast.expr | None, depth: int) -> list[ast.expr]:
        """The literals that an expression may be: constants, f-strings, tuples, lists, dicts."""
        if node is None or depth > DEPTH:
            return []
        deeper = lambda part: self._possible(module, part, depth + 1)  # noqa: E731
        match node:
            case ast.Constant() | ast.JoinedStr() | ast.Tuple() | ast.List() | ast.Set() | ast.Dict():
                return [node]
            case ast.IfExp():
                return deeper(node.body) + deeper(node.orelse)
            case ast.BoolOp():
                return [found for part in node.values for found in deeper(part)]
            case ast.NamedExpr() | ast.Starred():
                return deeper(node.value)
            case ast.BinOp(op=ast.Add()):
                return deeper(node.left) + deeper(node.right)
            case ast.Name():
                return self._named(module, node, depth)
            case ast.Attribute(value=ast.Name(id=owner)) if owner in module.imports:
                other = self.modules.get(".".join(module.imports[owner]))
                return self._constant(other, node.attr, depth) if other else []
            case ast.Subscript():
                return self._subscript(module, node, depth)
            case ast.Call():
                return self._called(module, node, depth)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return [ast.List(elts=[node.elt])] if self._own(module, node.elt) else []
            case _:
                return []

    def _own(self, module: Module, node: ast.AST) -> bool:
        return node in module.above

    def _subscript(self, module: Module, node: ast.Subscript, depth: int) -> list[ast.expr]:
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        found = []
        for holder in self._possible(module, node.value, depth + 1):
            if isinstance(holder, ast.Dict):
                pairs = zip(holder.keys, holder.values, strict=True)
                known = [v for k, v in pairs if key is None or (isinstance(k, ast.Constant) and k.value == key)]
                found += [text for value in known for text in self._possible(module, value, depth + 1)]
            elif isinstance(holder, ast.Tuple | ast.List) and isinstance(key, int | None):
                parts = holder.elts if key is None else holder.elts[key : key + 1 or None]
                found += [text for part in parts for text in self._possible(module, part, depth + 1)]
        return found

    def _called(self, module: Module, call: ast.Call, depth: int) -> list[ast.expr]:
        function = call.func
        if isinstance(function, ast.Attribute):
            if function.attr in KEEP:
                return self._possible(module, function.value, depth + 1)
            if function.attr == "get":
                values = self._subscript(module, ast.Subscript(value=function.value, slice=ast.Name(id="")), depth)
                return values + [text for one in call.args[1:] for text in self._possible(module, one, depth + 1)]
        elif isinstance(function, ast.Name) and function.id == "next":
            first = [text for one in self._elements(module, call.args[0], depth + 1)
                     for text in self._possible(module, one, depth + 1)]  # fmt: skip
            return first + [text for one in call.args[1:] for text in self._possible(module, one, depth + 1)]
        elif isinstance(function, ast.Name) and function.id in PASS and call.args:
            return [text for one in call.args for text in self._possible(module, one, depth + 1)]
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in SINKS:
            return []
        returned = [
            node.value
            for one in module.functions.get(name, [])
            for node in ast.walk(one)
            if isinstance(node, ast.Return) and node.value is not None
        ]
        return [text for value in returned for text in self._possible(module, value, depth + 1)]

    # Iterating -------------------------------------------------------------------------------------------------------
    def _elements(self, module: Module, iterable: ast.expr, depth: int) -> list[ast.expr]:
        """The expressions that a loop over ``iterable`` meets."""
        if depth > DEPTH:
            return []
        if isinstance(iterable, ast.Call):
            name = iterable.func.attr if isinstance(iterable.func, ast.Attribute) else getattr(iterable.func, "id", "")
            if name == "enumerate":
                pairs = self._elements(module, iterable.args[0], depth + 1)
                return [ast.Tuple(elts=[ast.Constant(value=0), one]) for one in pairs]
            if name == "zip":
                columns = [self._elements(module, one, depth + 1) for one in iterable.args]
                longest = max(map(len, columns), default=0)
                empty = ast.Constant(value=None)
                return [
                    ast.Tuple(elts=[column[i] if i < len(column) else empty for column in columns])
                    for i in range(longest)
                ]
            if name in ("items", "values", "keys") and isinstance(iterable.func, ast.Attribute):
                dicts = self._possible(module, iterable.func.value, depth + 1)
                return [one for found in dicts if isinstance(found, ast.Dict) for one in _view(found, name)]
        found: list[ast.expr] = []
        for holder in self._possible(module, iterable, depth + 1):
            if isinstance(holder, ast.Tuple | ast.List | ast.Set):
                for part in holder.elts:
                    found += self._elements(module, part.value, depth + 1) if isinstance(part, ast.Starred) else [part]
            elif isinstance(holder, ast.Dict):
                found += _view(holder, "keys")
        return found

    def _part(self, module: Module, node: ast.expr, index: int, depth: int) -> list[ast.expr]:
        """The literals at a place of what ``node`` may be."""
        holders = self._possible(module, node, depth + 1)
        parts = [h.elts[index] for h in holders if isinstance(h, ast.Tuple | ast.List) and index < len(h.elts)]
        return [text for part in parts for text in self._possible(module, part, depth + 1)]

    # Names -----------------------------------------------------------------------------------------------------------
    def _named(self, module: Module, name: ast.Name, depth: int) -> list[ast.expr]:
        scope: ast.AST | None = module.above.get(name)
        while scope is not None:
            if isinstance(scope, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
                for one in scope.generators:
                    if name.id in _names(one.target):
                        return self._looped(module, one.target, one.iter, name.id, depth)
            if isinstance(scope, ast.FunctionDef):
                found, bound = self._in_function(module, scope, name.id, depth)
                if bound:
                    return found
            scope = module.above.get(scope)
        return self._constant(module, name.id, depth)

    def _in_function(
        self, module: Module, scope: ast.FunctionDef, name: str, depth: int
    ) -> tuple[list[ast.expr], bool]:
        found: list[ast.expr] = []
        bound = False
        for node in ast.walk(scope):
            for target, value in assigned(node):
                if name in _names(target):
                    bound = True
                    found += self._bound(module, target, value, name, depth)
            if isinstance(node, ast.For) and name in _names(node.target):
                bound = True
                found += self._looped(module, node.target, node.iter, name, depth)
        parameters = [one.arg for one in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)]
        if name in parameters:
            bound = True
            found += [text for one in self._given(module, scope, name, parameters)
                      for text in self._possible(module, one, depth + 1)]  # fmt: skip
        return found, bound

    def _given(self, module: Module, function: ast.FunctionDef, name: str, parameters: list[str]) -> Iterator[ast.expr]:
        """What calls in the same module hand to a parameter."""
        place = parameters.index(name) - (parameters[0] in ("self", "cls"))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                callee = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if callee == function.name and callee not in SINKS:
                    yield from (keyword.value for keyword in node.keywords if keyword.arg == name)
                    if 0 <= place < len(node.args):
                        yield node.args[place]

    def _bound(self, module: Module, target: ast.expr, value: ast.expr, name: str, depth: int) -> list[ast.expr]:
        if isinstance(target, ast.Tuple):
            index = next(i for i, part in enumerate(target.elts) if name in _names(part))
            return self._part(module, value, index, depth + 1)
        return self._possible(module, value, depth + 1)

    def _looped(self, module: Module, target: ast.expr, iterable: ast.expr, name: str, depth: int) -> list[ast.expr]:
        elements = self._elements(module, iterable, depth + 1)
        return [text for one in elements for text in self._bound_element(module, target, one, name, depth)]

    def _bound_element(self, module: Module, target: ast.expr, one: ast.expr, name: str, depth: int) -> list[ast.expr]:
        if not isinstance(target, ast.Tuple):
            return self._possible(module, one, depth + 1)
        index = next(i for i, part in enumerate(target.elts) if name in _names(part))
        found = []
        for holder in self._possible(module, one, depth + 1):
            if isinstance(holder, ast.Tuple | ast.List) and index < len(holder.elts):
                found += self._bound_element(module, target.elts[index], holder.elts[index], name, depth + 1)
        return found

    def _constant(self, module: Module, name: str, depth: int) -> list[ast.expr]:
        if name in module.constants:
            return [text for value in module.constants[name] for text in self._possible(module, value, depth + 1)]
        source, original = module.imports.get(name, ("", ""))
        other = self.modules.get(source)
        return self._constant(other, original, depth + 1) if other is not None and depth < DEPTH else []


def _names(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _view(found: ast.Dict, view: str) -> list[ast.expr]:
    """What .items(), .values() or .keys() of a dict literal go through."""
    pairs = [(key, value) for key, value in zip(found.keys, found.values, strict=True) if key is not None]
    if view == "items":
        return [ast.Tuple(elts=[key, value]) for key, value in pairs]
    return [value if view == "values" else key for key, value in pairs]
