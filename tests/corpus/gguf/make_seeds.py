#!/usr/bin/env python3
"""Writes the seed files of the GGUF fuzzer beside itself: small, each with another part of the format in it."""
import pathlib
import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
PACK = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


def string(text):
    return struct.pack("<Q", len(text)) + text


def payload(kind, value):
    return string(value) if kind == STRING else struct.pack("<" + PACK[kind], value)


def key(name, kind, value):
    return string(name) + struct.pack("<i", kind) + payload(kind, value)


def array(name, kind, values):
    head = string(name) + struct.pack("<iiQ", ARRAY, kind, len(values))
    return head + b"".join(payload(kind, value) for value in values)


def tensor(name, sizes, kind, offset):
    return string(name) + struct.pack("<I%dqiQ" % len(sizes), len(sizes), *sizes, kind, offset)


def whole(keys=(), tensors=(), data=b"", version=3, alignment=32):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + b"".join(keys) + b"".join(tensors)
    return head + b"\0" * (-len(head) % alignment) + data


SEEDS = {
    "empty": whole(),
    "v2": whole([key(b"general.architecture", STRING, b"llama")], version=2),
    "v1": whole(version=1),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "scalars": whole([key(b"k%d" % kind, kind, 1) for kind in PACK] + [key(b"s", STRING, b"text")]),
    "arrays": whole([array(b"a%d" % kind, kind, [0, 1, 1]) for kind in PACK] + [array(b"s", STRING, [b"", b"ab"])]),
    "empty-arrays": whole([array(b"a%d" % kind, kind, []) for kind in [*PACK, STRING]]),
    "align64": whole([key(b"general.alignment", U32, 64)], [tensor(b"t", [8], 0, 0)], bytes(32), alignment=64),
    "two-tensors": whole([], [tensor(b"a", [3, 2], 0, 0), tensor(b"b", [32], 8, 32)], bytes(66)),
    "k-quants": whole([], [tensor(b"a", [256], 12, 0), tensor(b"b", [256], 14, 160)], bytes(370)),
    "scalar-tensor": whole([], [tensor(b"a", [], 0, 0)], bytes(4)),
    "split": whole([key(b"split.no", U16, 0), key(b"split.count", U16, 2), key(b"split.tensors.count", I32, 0)]),
}

for name, content in SEEDS.items():
    (pathlib.Path(__file__).parent / (name + ".gguf")).write_bytes(content)
