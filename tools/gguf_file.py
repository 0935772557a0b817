"""GGUF files from Python: the metadata of one read, another one written.

Source of the layout: the GGUF specification, version 3. Not here: quantised tensors are written as
the bytes they are; making them is the work of `block_formats.py`.
"""
import struct

import numpy as np

ALIGNMENT = 32
TENSOR_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8, "bf16": 30}
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
           11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9


class Reader:
    """Bytes of a file, read from front to back."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, kind):
        form = SCALARS[kind]
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        size = self.scalar(10)
        self.at += size
        return self.data[self.at - size:self.at]

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            item, count = self.scalar(4), self.scalar(10)
            return item, [self.value(item) for _ in range(count)]
        return self.scalar(kind)


def _opened(path):
    """(reader behind the metadata, number of tensors, metadata) of a GGUF file."""
    with open(path, "rb") as file:
        reader = Reader(file.read())
    if reader.data[:4] != b"GGUF":
        raise SystemExit(f"{path}: expected a GGUF file")
    reader.at = 8
    tensors, metadata = reader.scalar(10), {}
    for _ in range(reader.scalar(10)):
        key = reader.string().decode()
        kind = reader.scalar(4)
        metadata[key] = (kind, reader.value(kind))
    return reader, tensors, metadata


def read_metadata(path):
    """The metadata of a GGUF file: key -> (type, value); strings are bytes, arrays (type, list)."""
    return _opened(path)[2]


def read_tensors(path):
    """The tensors of a GGUF file: name -> (type number, shape with the length of a row first,
    bytes). Types: those of TENSOR_TYPES."""
    reader, count, _ = _opened(path)
    entries = []
    for _ in range(count):
        name, dimensions = reader.string().decode(), reader.scalar(4)
        shape = [reader.scalar(10) for _ in range(dimensions)]
        entries.append((name, reader.scalar(4), shape, reader.scalar(10)))
    begin = -(-reader.at // ALIGNMENT) * ALIGNMENT
    offsets = sorted(offset for *_, offset in entries)
    end_of = dict(zip(offsets, offsets[1:] + [len(reader.data) - begin]))
    return {name: (kind, shape, reader.data[begin + offset:begin + end_of[offset]])
            for name, kind, shape, offset in entries}


def _packed(kind, value):
    if kind == STRING:
        raw = value if isinstance(value, bytes) else value.encode()
        return struct.pack("<Q", len(raw)) + raw
    if kind == ARRAY:
        item, values = value
        return struct.pack("<IQ", item, len(values)) + b"".join(_packed(item, v) for v in values)
    return struct.pack(SCALARS[kind], value)


def metadata_of(value):
    """(type, value) of a plain Python value: bool, int (u32), float (f32), str."""
    if isinstance(value, bool):
        return 7, value
    if isinstance(value, int):
        return 4, value
    if isinstance(value, float):
        return 6, value
    return STRING, value


def write(path, metadata, tensors):
    """Writes a GGUF file.

    metadata: key -> (type, value). tensors: name -> (type name, shape, bytes or array); the shape
    as GGUF has it, the length of a row first.
    """
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    parts = [head]
    for key, (kind, value) in metadata.items():
        parts += [_packed(STRING, key), struct.pack("<I", kind), _packed(kind, value)]
    contents, offset = [], 0
    for name, (type_name, shape, content) in tensors.items():
        raw = np.ascontiguousarray(content).tobytes() if isinstance(content, np.ndarray) else content
        parts += [_packed(STRING, name), struct.pack("<I", len(shape)),
                  struct.pack(f"<{len(shape)}Q", *shape),
                  struct.pack("<IQ", TENSOR_TYPES[type_name], offset)]
        raw += bytes(-len(raw) % ALIGNMENT)
        contents.append(raw)
        offset += len(raw)
    head = b"".join(parts)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT))
        for raw in contents:
            file.write(raw)
