"""One tile of a blocked product: 8 vectors against 32 items at once, compared with a limit while still in registers.

Numba does not keep a small block of running sums in registers by itself, so the inner loop is written as LLVM vectors.
Where the processor multiplies bytes (AVX-512 VNNI) a word is four of them; elsewhere it is one float32.
"""

from typing import Any

import llvmlite.binding as binding
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

VECTORS = 8
"""Vectors of a tile."""

ITEMS = 32
"""Items of a tile: two registers of sixteen words."""

LANES = 16

binding.initialize_native_asmparser()


def bytes_are_fast() -> bool:
    """Return whether this processor has the instruction that multiplies and adds 64 bytes at once."""
    features = binding.get_host_cpu_features()
    return bool(features.get("avx512vnni")) and bool(features.get("avx512f"))


def _tile(  # type: ignore[no-untyped-def]
    typing, items, first_item, vectors, first_vector, words, start, first_start, limits, sums, masks  # noqa: ARG001
):  # fmt: skip
    """Sum 8 x 32 products into `sums` and return whether any is above its vector's limit; `masks` tells which.

    All arrays are flat and of one type, int32 (four bytes a word: of `vectors` 0..255, of `items` -128..127) or
    float32. `items` has `words` x 32 of them from `first_item` on, `vectors` `words` x 8 from `first_vector`, `start`
    what the 32 sums begin with from `first_start`; `limits` (8,), `sums` (256,), `masks` (8,) uint32.
    """
    if items.dtype not in (types.int32, types.float32):
        return None
    given = (items, first_item, vectors, first_vector, words, start, first_start, limits, sums, masks)
    return types.uint32(*given), _emit


tile: Any = intrinsic(_tile)


def _emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    kinds = signature.args
    arrays = {
        place: context.make_array(kinds[place])(context, builder, given[place]).data for place in (0, 2, 5, 7, 8, 9)
    }
    whole = kinds[0].dtype == types.int32
    word = ir.IntType(32) if whole else ir.FloatType()
    vector = ir.VectorType(word, LANES)
    items = builder.gep(arrays[0], [given[1]])
    vectors = builder.gep(arrays[2], [given[3]])
    start = builder.gep(arrays[5], [given[6]])
    sums = _product(builder, word, vector, items, vectors, given[4], start)
    return _compare(builder, word, vector, sums, arrays[7], arrays[8], arrays[9])


def _product(builder: Any, word: Any, vector: Any, items: Any, vectors: Any, words: Any, start: Any) -> list[Any]:
    """Emit the loop over words and return the 16 registers of sums, two of each vector."""
    before = builder.block
    loop, after = builder.append_basic_block("words"), builder.append_basic_block("summed")
    begin = [_load(builder, start, vector, half * LANES) for half in range(2)]
    builder.branch(loop)
    builder.position_at_end(loop)
    at = builder.phi(words.type)
    at.add_incoming(words.type(0), before)
    sums = [builder.phi(vector) for _ in range(2 * VECTORS)]
    for place, one in enumerate(sums):
        one.add_incoming(begin[place % 2], before)
    mine = builder.gep(items, [builder.mul(at, words.type(ITEMS))])
    halves = [_load(builder, mine, vector, half * LANES) for half in range(2)]
    theirs = builder.gep(vectors, [builder.mul(at, words.type(VECTORS))])
    grown = []
    for place in range(VECTORS):
        spread = _spread(builder, builder.load(builder.gep(theirs, [ir.IntType(64)(place)])), vector)
        grown += [_add(builder, word, sums[2 * place + half], spread, halves[half]) for half in range(2)]
    following = builder.add(at, words.type(1))
    for one, more in zip(sums, grown, strict=True):
        one.add_incoming(more, loop)
    at.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, words), loop, after)
    builder.position_at_end(after)
    return grown


def _add(builder: Any, word: Any, sums: Any, vector: Any, items: Any) -> Any:
    if isinstance(word, ir.FloatType):
        return builder.fadd(sums, builder.fmul(vector, items, flags=("contract",)), flags=("contract",))
    # As text, because the form of LLVM's own intrinsic for it changes from version to version.
    kind = ir.FunctionType(sums.type, [sums.type, sums.type, sums.type])
    return builder.asm(kind, "vpdpbusd $2, $1, $0", "=v,v,v,0", [vector, items, sums], side_effect=False)


def _compare(builder: Any, word: Any, vector: Any, sums: list[Any], limits: Any, found: Any, masks: Any) -> Any:
    """Emit the comparison with each vector's limit, keep sums and masks, and return all masks in one."""
    bits, short = ir.IntType(32), ir.IntType(LANES)
    together = bits(0)
    for place in range(VECTORS):
        index = ir.IntType(64)(place)
        limit = _spread(builder, builder.load(builder.gep(limits, [index])), vector)
        mask = bits(0)
        for half in range(2):
            one = sums[2 * place + half]
            _store(builder, one, found, place * ITEMS + half * LANES)
            above = (
                builder.fcmp_ordered(">", one, limit)
                if isinstance(word, ir.FloatType)
                else builder.icmp_signed(">", one, limit)
            )
            part = builder.zext(builder.bitcast(above, short), bits)
            mask = builder.or_(mask, builder.shl(part, bits(half * LANES)))
        builder.store(mask, builder.gep(masks, [index]))
        together = builder.or_(together, mask)
    return together


def _spread(builder: Any, one: Any, vector: Any) -> Any:
    zero = ir.IntType(32)(0)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), one, zero)
    return builder.shuffle_vector(
        first, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    )


def _load(builder: Any, array: Any, vector: Any, offset: int) -> Any:
    place = builder.bitcast(builder.gep(array, [ir.IntType(64)(offset)]), vector.as_pointer())
    return builder.load(place, align=4)


def _store(builder: Any, value: Any, array: Any, offset: int) -> None:
    place = builder.bitcast(builder.gep(array, [ir.IntType(64)(offset)]), value.type.as_pointer())
    builder.store(value, place, align=4)
