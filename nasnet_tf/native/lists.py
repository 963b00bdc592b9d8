"""Lists of kernel calls as arrays of numbers that compiled code goes through.

Called one by one from Python, the kernels of a small network spend as long in Python as in
computing, and several threads wait for its lock. Here a call is three numbers: the address of a
kernel, its arguments as Numba's calling convention passes them, and the address of an entry: a few
instructions that load these arguments and call the kernel.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from nasnet_tf.native.kernels import compiled

_WORD, _STATUS = ir.IntType(64), ir.IntType(32)
_ENTRY = ir.FunctionType(_STATUS, [_WORD, _WORD.as_pointer()])


class OfThread(NamedTuple):
    """What one thread does in each group of a list.

    Attributes:
        calls: (calls, 3), int64: address of the entry, of the kernel, of the arguments.
        ends: (groups + 1,), int64: where the calls of each group begin, and the last ones end.
        words: (numbers,), int64: the arguments, to which `calls` point.
    """

    calls: np.ndarray
    ends: np.ndarray
    words: np.ndarray


class CallList:
    """Calls that threads compute together.

    Args:
        groups: what `nasnet_tf.native.calls.groups` returns: [[[(kernel, arguments), ...] of each
            thread] of each group].
    """

    def __init__(self, groups):
        self.groups = groups

    def __iter__(self):
        for of_threads in self.groups:
            for calls in of_threads:
                yield from calls

    @functools.cached_property
    def of_threads(self) -> list[OfThread]:
        """The part of each thread. Compiles what was not compiled before."""
        return [_of_thread(calls) for calls in zip(*self.groups, strict=True)]


def compile_kernel(kernel, arguments) -> None:
    """Compiles a kernel for such arguments, if it was not."""
    kernel.compile(_types_of(arguments))


def _types_of(arguments):
    return tuple(map(numba.typeof, arguments))


def _of_thread(groups):
    calls, ends, words = [], [0], []
    for group in groups:
        for kernel, arguments in group:
            entry, function = _addresses(kernel, _types_of(arguments))
            calls.append((entry, function, len(words)))
            for argument in arguments:
                words += _words(argument)
        ends.append(len(calls))
    calls, words = np.array(calls, "int64").reshape(-1, 3), np.array(words, "int64")
    calls[:, 2] = words.ctypes.data + words.itemsize * calls[:, 2]
    return OfThread(calls, np.array(ends, "int64"), words)


def _words(argument):
    """The numbers that Numba passes for an argument, as int64."""
    if isinstance(argument, np.ndarray):
        nobody = 0, 0  # who owns the memory: the list of groups does
        numbers = argument.size, argument.itemsize, argument.ctypes.data
        return (*nobody, *numbers, *argument.shape, *argument.strides)
    if isinstance(argument, np.float32):
        return (int(argument.view("int32")),)
    if isinstance(argument, int | np.integer | np.bool_):
        return (int(argument),)
    raise TypeError(f"no kernel takes a {type(argument).__name__}.")


@functools.cache
def _addresses(kernel, of_types):
    """(address of the entry, address of the code) of a kernel for arguments of such types."""
    kernel.compile(of_types)
    found = kernel.overloads[of_types]
    context, described = found.target_context, found.fndesc
    convention = context.call_conv.get_function_type(described.restype, described.argtypes)
    code = found.library.get_pointer_to_function(described.llvm_func_name)
    return _entry(context.codegen(), convention), code


_ENTRIES = {}


@global_compiler_lock
def _entry(codegen, convention):
    """The address of a function (address of the kernel, address of its arguments) -> status, for
    kernels of this type in Numba's calling convention: place of the result, place of the exception,
    arguments.
    """
    if str(convention) not in _ENTRIES:
        name = f"nasnet_tf_entry_{len(_ENTRIES)}"
        library = codegen.create_library(name)
        module = library.create_ir_module(name)
        function = ir.Function(module, _ENTRY, name)
        builder = ir.IRBuilder(function.append_basic_block())
        kernel = builder.inttoptr(function.args[0], convention.as_pointer())
        arguments = [builder.alloca(place.pointee) for place in convention.args[:2]]
        for number, wanted in enumerate(convention.args[2:]):
            word = builder.load(builder.gep(function.args[1], [_WORD(number)]))
            arguments.append(_converted(builder, word, wanted))
        builder.ret(builder.call(kernel, arguments))
        library.add_ir_module(module)
        library.finalize()
        _ENTRIES[str(convention)] = library.get_pointer_to_function(name), library
    return _ENTRIES[str(convention)][0]


def _converted(builder, word, wanted):
    if isinstance(wanted, ir.PointerType):
        return builder.inttoptr(word, wanted)
    if isinstance(wanted, ir.FloatType):
        return builder.bitcast(builder.trunc(word, _STATUS), wanted)
    return word if wanted.width == word.type.width else builder.trunc(word, wanted)


@intrinsic
def _call(typing, entry, function, words):
    """The status of a kernel: 0 if it was computed."""

    def generate(context, builder, signature, arguments):
        entry, function, words = arguments
        entry = builder.inttoptr(entry, _ENTRY.as_pointer())
        return builder.call(entry, [function, builder.inttoptr(words, _WORD.as_pointer())])

    return types.int32(types.int64, types.int64, types.int64), generate


@compiled
def run_calls(calls, first, last):
    """Whether all calls from `first` to `last` were computed; it stops at one that was not."""
    for number in range(first, last):
        if _call(calls[number, 0], calls[number, 1], calls[number, 2]) != 0:
            return False
    return True
