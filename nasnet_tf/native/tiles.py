"""The inner loops of matrix products on vector registers, as LLVM code: Numba's own loops reread
from the cache what fits into registers.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8  # of a vector of float32; narrower machines take two for one
COLUMNS = 2 * LANES  # of a tile of a product
ROWS = 4  # of a tile of a product
PAIR = 2  # rows of the second array in a tile of a correlation

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INDEX = ir.IntType(64)
_ALIGNMENT = 4  # bytes: rows begin anywhere
_NUMBERS, _PLACE = types.Array(types.float32, 1, "C"), types.int64


def _address(context, builder, array_type, array, index):
    """Where the flat `array` has its number `index`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _load(builder, address, vector):
    """A vector that begins at `address` + LANES * `vector`."""
    moved = builder.gep(address, [ir.Constant(_INDEX, LANES * vector)])
    return builder.load(builder.bitcast(moved, _VECTOR.as_pointer()), align=_ALIGNMENT)


def _store(builder, value, address, vector):
    moved = builder.gep(address, [ir.Constant(_INDEX, LANES * vector)])
    builder.store(value, builder.bitcast(moved, _VECTOR.as_pointer()), align=_ALIGNMENT)


def _multiply_add(builder, x, y, z):
    """x * y + z, in one instruction where there is one."""
    of_vectors = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    name = f"llvm.fmuladd.v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, of_vectors, name), [x, y, z])


def _broadcast(builder, number):
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, _INDEX(0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), everywhere)


def _accumulated(builder, count, values, step):
    """The vectors `values` after `count` times `values = step(number, values)`."""
    before = builder.block
    loop, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed(">", count, _INDEX(0)), loop, after)
    builder.position_at_end(loop)
    number = builder.phi(_INDEX)
    number.add_incoming(_INDEX(0), before)
    running = [builder.phi(_VECTOR) for _ in values]
    made = step(number, running)
    following = builder.add(number, _INDEX(1))
    number.add_incoming(following, builder.block)
    for phi, first, later in zip(running, values, made, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, builder.block)
    last = builder.block
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    results = [builder.phi(_VECTOR) for _ in values]
    for phi, first, later in zip(results, values, made, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, last)
    return results


@intrinsic
def copy_columns(typing, x, x_start, y, y_start):
    """y[y_start : y_start + COLUMNS] = x[x_start : x_start + COLUMNS], of flat arrays."""

    def generate(context, builder, signature, arguments):
        x, x_start, y, y_start = arguments
        first_x = _address(context, builder, signature.args[0], x, x_start)
        first_y = _address(context, builder, signature.args[2], y, y_start)
        for half in range(2):
            _store(builder, _load(builder, first_x, half), first_y, half)
        return context.get_dummy_value()

    return types.void(_NUMBERS, _PLACE, _NUMBERS, _PLACE), generate


@intrinsic
def multiply_tile(typing, w, w_start, x, x_start, inputs, y, y_start, y_width, add):
    """y (ROWS, COLUMNS) = or, with `add`, += w.T @ x.

    `w` (inputs, ROWS), `x` (inputs, COLUMNS) and `y` (its rows `y_width` apart) lie in flat arrays
    from their starts.
    """

    def generate(context, builder, signature, arguments):
        w, w_start, x, x_start, inputs, y, y_start, y_width, add = arguments
        first_w = _address(context, builder, signature.args[0], w, w_start)
        first_x = _address(context, builder, signature.args[2], x, x_start)
        first_y = _address(context, builder, signature.args[5], y, y_start)
        rows = [builder.gep(first_y, [builder.mul(_INDEX(row), y_width)]) for row in range(ROWS)]
        places = [(row, half) for row in rows for half in range(2)]

        def step(number, running):
            at = builder.gep(first_x, [builder.mul(number, _INDEX(COLUMNS))])
            halves = _load(builder, at, 0), _load(builder, at, 1)
            weights = builder.gep(first_w, [builder.mul(number, _INDEX(ROWS))])
            made = []
            for row in range(ROWS):
                weight = builder.load(builder.gep(weights, [_INDEX(row)]), align=_ALIGNMENT)
                vector = _broadcast(builder, weight)
                for half in range(2):
                    total = running[2 * row + half]
                    made.append(_multiply_add(builder, vector, halves[half], total))
            return made

        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        results = _accumulated(builder, inputs, [zero] * len(places), step)
        with builder.if_else(cgutils.as_bool_bit(builder, add)) as (adds, writes):
            with adds:
                for (row, half), result in zip(places, results, strict=True):
                    total = builder.fadd(_load(builder, row, half), result)
                    _store(builder, total, row, half)
            with writes:
                for (row, half), result in zip(places, results, strict=True):
                    _store(builder, result, row, half)
        return context.get_dummy_value()

    places = (_NUMBERS, _PLACE, _NUMBERS, _PLACE, _PLACE, _NUMBERS, _PLACE, _PLACE, types.boolean)
    return types.void(*places), generate


@intrinsic
def correlate_tile(typing, x, x_start, x_step, y, y_start, y_step, panels, totals, totals_start):
    """totals (ROWS, PAIR, LANES) += x (ROWS, columns) times y (PAIR, columns): the products of each
    row of `x` and each of `y`, once summed over the lanes.

    `x` and `y` lie in flat arrays as `panels` of COLUMNS columns, `x_step` and `y_step` apart; the
    rows of a panel follow one another.
    """

    def generate(context, builder, signature, arguments):
        x, x_start, x_step, y, y_start, y_step, panels, totals, totals_start = arguments
        first_x = _address(context, builder, signature.args[0], x, x_start)
        first_y = _address(context, builder, signature.args[3], y, y_start)
        into = _address(context, builder, signature.args[7], totals, totals_start)

        def step(number, running):
            of_x = builder.gep(first_x, [builder.mul(number, x_step)])
            of_y = builder.gep(first_y, [builder.mul(number, y_step)])
            for half in range(2):
                others = [_load(builder, of_y, 2 * row + half) for row in range(PAIR)]
                made = []
                for row in range(ROWS):
                    own = _load(builder, of_x, 2 * row + half)
                    for other in range(PAIR):
                        total = running[PAIR * row + other]
                        made.append(_multiply_add(builder, own, others[other], total))
                running = made
            return running

        places = range(ROWS * PAIR)
        before = [_load(builder, into, place) for place in places]
        for place, result in enumerate(_accumulated(builder, panels, before, step)):
            _store(builder, result, into, place)
        return context.get_dummy_value()

    places = (_NUMBERS, _PLACE, _PLACE, _NUMBERS, _PLACE, _PLACE, _PLACE, _NUMBERS, _PLACE)
    return types.void(*places), generate
