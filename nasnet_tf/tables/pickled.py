"""An interpreter for pickles of plain data: numbers, strings, containers and NumPy scalars. Its
time is proportional to the length of the pickle.

Python's own unpickler runs what a pickle names, and hashes nested tuples for as long as it takes:
thirty bytes can request hours. Here nothing is run, and the keys of a dict are strings, numbers, or
tuples of these.

Source: the opcodes as CPython's Lib/pickletools.py describes them, protocols 2 to 5.
"""

from __future__ import annotations

import pickle
import struct
from itertools import zip_longest

__all__ = ["load_plain"]

_MOST_STEPS = 1_000_000  # a second or two; a file of NATS-Bench takes up to a tenth of it
_MARK = object()
_NUMBERS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i"}
# The latter from NumPy 2 on.
_SCALARS = {("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")}
_DTYPE, _ORDERED, _SET = ("numpy", "dtype"), ("collections", "OrderedDict"), ("builtins", "set")
_SIMPLE = {str, int, float, bool, bytes, type(None)}


class _Global(tuple):
    """(module, name) that a pickle asks for."""


class _Dtype(str):
    """The code of a NumPy type, such as f8."""


def load_plain(content: bytes):
    """The value that is pickled in `content`. Raises ValueError if it is damaged or more than plain
    data.
    """
    try:
        return _Machine(content).run()
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError, struct.error) as error:
        raise ValueError(f"it is damaged ({type(error).__name__})") from None


class _Machine:
    def __init__(self, content):
        self.content, self.place, self.stack, self.memo = content, 0, [], {}

    def run(self):
        content, stack, memo, place = self.content, self.stack, self.memo, 0
        for _ in range(_MOST_STEPS):
            code = content[place]
            place += 1
            if code == _FLOAT:  # this and the next four are nearly all of a table
                stack.append(_DOUBLE(content, place)[0])
                place += 8
            elif code == _TEXT:
                end = place + 1 + content[place]
                stack.append(content[place + 1 : end].decode())
                place = end
            elif code == _LONG_TEXT:
                end = place + 4 + int.from_bytes(content[place : place + 4], "little")
                stack.append(content[place + 4 : end].decode())
                place = end
            elif code == _MEMOIZE:
                memo[len(memo)] = stack[-1]
            elif code == _PUT:
                memo[int.from_bytes(content[place : place + 4], "little")] = stack[-1]
                place += 4
            elif code == _STOP:
                return stack.pop()
            elif code in _STEPS:
                self.place = place
                _STEPS[code](self)
                place = self.place
            else:
                raise ValueError(f"it asks for more than plain data (opcode {code:#x})")
        raise ValueError(f"it takes more than {_MOST_STEPS:,} steps to read")

    def bytes(self, size):
        """The next `size` bytes."""
        self.place += size
        if self.place > len(self.content):
            raise ValueError("it ends early")
        return self.content[self.place - size : self.place]

    def sized(self, width):
        """Bytes that are preceded by their number, in `width` bytes."""
        return self.bytes(int.from_bytes(self.bytes(width), "little"))

    def line(self):
        end = self.content.index(b"\n", self.place)
        line, self.place = self.content[self.place : end].decode("ascii"), end + 1
        return line

    def marked(self):
        """Pops everything above the last mark."""
        stack = self.stack
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] is _MARK:
                found = stack[place + 1 :]
                del stack[place:]
                return found
        raise ValueError("a mark is missing")

    def popped(self, count):
        if len(self.stack) < count:
            raise ValueError("a value is missing")
        found = tuple(self.stack[-count:])
        del self.stack[-count:]
        return found

    def set(self, items):
        found = self.stack[-1]
        if type(found) is not dict:
            raise ValueError("items are set of what is no dict")
        for key, value in zip_longest(items[::2], items[1::2]):
            if (
                type(key) is not str
                and type(key) not in _SIMPLE
                and not (type(key) is tuple and all(type(part) in _SIMPLE for part in key))
            ):
                raise ValueError("a key is neither text nor number nor a tuple of these")
            found[key] = value

    def add(self, items):
        found = self.stack[-1]
        if type(found) is list:
            found.extend(items)
        elif type(found) is set and all(type(item) in _SIMPLE for item in items):
            found.update(items)
        else:
            raise ValueError("items are added to what is no list, nor a set of texts and numbers")

    def reduce(self):
        function, arguments = self.popped(2)
        if type(function) is not _Global or type(arguments) is not tuple:
            raise ValueError("it calls what is no function")
        if function == _ORDERED and not arguments:
            self.stack.append({})
        elif function == _DTYPE and type(arguments[0]) is str and arguments[0] in _NUMBERS:
            self.stack.append(_Dtype(arguments[0]))
        elif function in _SCALARS and type(arguments[0]) is _Dtype:
            self.stack.append(struct.unpack(_NUMBERS[arguments[0]], arguments[1])[0])
        elif function == _SET and len(arguments) == 1 and type(arguments[0]) is list:  # protocol 3
            self.stack.append(set())
            self.add(arguments[0])
        else:
            raise ValueError(f"it asks for {'.'.join(function):.100}")

    def build(self):
        (state,) = self.popped(1)
        if type(self.stack[-1]) is not _Dtype or state[1] != "<":
            raise ValueError("it builds what is no type of NumPy's little-endian numbers")

    def put(self, place):
        self.memo[place] = self.stack[-1]

    def ask(self, module, name):
        if type(module) is not str or type(name) is not str:
            raise ValueError("it asks for what has no name")
        if (module, name) not in {_DTYPE, _ORDERED, _SET, *_SCALARS}:
            raise ValueError(f"it asks for {module}.{name:.80}")
        self.stack.append(_Global((module, name)))


def _pushing(value):
    return lambda m: m.stack.append(value(m))


def _whole(width, signed=False):
    return _pushing(lambda m: int.from_bytes(m.bytes(width), "little", signed=signed))


_STOP, _FLOAT, _TEXT, _LONG_TEXT = (
    pickle.STOP[0],
    pickle.BINFLOAT[0],
    pickle.SHORT_BINUNICODE[0],
    pickle.BINUNICODE[0],
)
_MEMOIZE, _PUT, _DOUBLE = pickle.MEMOIZE[0], pickle.LONG_BINPUT[0], struct.Struct(">d").unpack_from
_BY_NAME = {
    "PROTO": lambda m: m.bytes(1),
    "FRAME": lambda m: m.bytes(8),
    "MARK": _pushing(lambda m: _MARK),
    "POP": lambda m: m.popped(1),
    "POP_MARK": lambda m: m.marked(),
    "DUP": _pushing(lambda m: m.stack[-1]),
    "NONE": _pushing(lambda m: None),
    "NEWTRUE": _pushing(lambda m: True),
    "NEWFALSE": _pushing(lambda m: False),
    "BININT": _whole(4, signed=True),
    "BININT1": _whole(1),
    "BININT2": _whole(2),
    "LONG1": _pushing(lambda m: int.from_bytes(m.sized(1), "little", signed=True)),
    "BINUNICODE8": _pushing(lambda m: m.sized(8).decode()),
    "BINBYTES": _pushing(lambda m: m.sized(4)),
    "SHORT_BINBYTES": _pushing(lambda m: m.sized(1)),
    "BINBYTES8": _pushing(lambda m: m.sized(8)),
    "EMPTY_TUPLE": _pushing(lambda m: ()),
    "TUPLE1": _pushing(lambda m: m.popped(1)),
    "TUPLE2": _pushing(lambda m: m.popped(2)),
    "TUPLE3": _pushing(lambda m: m.popped(3)),
    "TUPLE": _pushing(lambda m: tuple(m.marked())),
    "EMPTY_LIST": _pushing(lambda m: []),
    "LIST": _pushing(lambda m: m.marked()),
    "APPEND": lambda m: m.add(m.popped(1)),
    "APPENDS": lambda m: m.add(m.marked()),
    "EMPTY_SET": _pushing(lambda m: set()),
    "ADDITEMS": lambda m: m.add(m.marked()),
    "EMPTY_DICT": _pushing(lambda m: {}),
    "SETITEM": lambda m: m.set(m.popped(2)),
    "SETITEMS": lambda m: m.set(m.marked()),
    "BINPUT": lambda m: m.put(m.bytes(1)[0]),
    "BINGET": _pushing(lambda m: m.memo[m.bytes(1)[0]]),
    "LONG_BINGET": _pushing(lambda m: m.memo[int.from_bytes(m.bytes(4), "little")]),
    "GLOBAL": lambda m: m.ask(m.line(), m.line()),
    "STACK_GLOBAL": lambda m: m.ask(*m.popped(2)),
    "REDUCE": lambda m: m.reduce(),
    "BUILD": lambda m: m.build(),
}
_STEPS = {getattr(pickle, name)[0]: step for name, step in _BY_NAME.items()}
