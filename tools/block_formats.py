"""Q4_0 and Q8_0: rows of numbers to the blocks of a GGUF file, and back.

Source of the formats: docs of GGUF; both take blocks of 32 weights and a scale of half precision.
"""
import numpy as np

BLOCK = 32


def _blocks(rows):
    if rows.shape[-1] % BLOCK:
        raise ValueError(f"expected rows of a multiple of {BLOCK} numbers, found {rows.shape[-1]}")
    return np.ascontiguousarray(rows, dtype=np.float32).reshape(-1, BLOCK)


def q4_0(rows):
    """Blocks of 18 bytes: scale (f16), then 16 bytes, weight i in the low half of byte i and
    weight i + 16 in the high half. The scale is that of the weight of greatest size, which
    becomes -8 exactly."""
    blocks = _blocks(rows)
    peak = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)[:, 0]
    scale = peak / np.float32(-8)
    inverse = np.where(scale != 0, 1 / np.where(scale != 0, scale, 1), 0).astype(np.float32)
    codes = np.clip(np.floor(blocks * inverse[:, None] + np.float32(8.5)), 0, 15).astype(np.uint8)
    halves = codes[:, :16] | codes[:, 16:] << 4
    return np.concatenate([scale.astype(np.float16)[:, None].view(np.uint8), halves], 1).tobytes()


def q8_0(rows):
    """Blocks of 34 bytes: scale (f16), then 32 signed bytes."""
    blocks = _blocks(rows)
    scale = np.abs(blocks).max(1) / np.float32(127)
    inverse = np.where(scale != 0, 1 / np.where(scale != 0, scale, 1), 0).astype(np.float32)
    scaled = blocks * inverse[:, None]
    codes = (np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))).astype(np.int8)
    return np.concatenate([scale.astype(np.float16)[:, None].view(np.uint8),
                           codes.view(np.uint8)], 1).tobytes()


def decoded(kind, shape, raw):
    """The numbers of a tensor as gguf_file.read_tensors gives it: F32, F16 or Q4_0."""
    count = int(np.prod(shape))
    if kind == 2:
        blocks = np.frombuffer(raw, np.uint8, count // BLOCK * 18).reshape(-1, 18)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        codes = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1).astype(np.float32) - 8
        return (codes * scale).reshape(shape[::-1])
    if kind not in (0, 1):
        raise ValueError(f"expected a tensor of F32, F16 or Q4_0, found type {kind}")
    return np.frombuffer(raw, (np.float32, np.float16)[kind], count).astype(np.float32).reshape(shape[::-1])


def content(type_name, rows):
    """(type name, shape of GGUF, content) of a matrix (rows, columns) or an array in `type_name`:
    f32, f16, q4_0 or q8_0."""
    shape = tuple(reversed(rows.shape))
    if type_name == "q4_0":
        return type_name, shape, q4_0(rows)
    if type_name == "q8_0":
        return type_name, shape, q8_0(rows)
    return type_name, shape, rows.astype({"f32": np.float32, "f16": np.float16}[type_name])
