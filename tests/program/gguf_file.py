"""Reads a GGUF file into Python values, and writes small ones. For tests alone."""
import struct

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TYPE_NAMES = {0: "F32", 1: "F16", 8: "Q8_0", 24: "I8", 30: "BF16",
              39: "MXFP4"}
VALUE_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1}
BLOCK_BYTES = {"MXFP4": (32, 17)}  # numbers and bytes of a block


class Tensor:
    """`shape` is outermost first, as everybody but GGUF writes it."""

    def __init__(self, name, size, kind, data):
        self.name = name
        self.shape = list(reversed(size))
        self.type = TYPE_NAMES.get(kind, str(kind))
        self.data = data

    def rows(self):
        """The bytes of each row of the last dimension."""
        width = len(self.data) // max(1, self.row_count())
        return [self.data[i:i + width] for i in range(0, len(self.data), width)]

    def row_count(self):
        count = 1
        for size in self.shape[:-1]:
            count *= size
        return count


class GgufFile:
    def __init__(self, path):
        self.bytes = path.read_bytes()
        self.at = 4
        assert self.bytes[:4] == b"GGUF"
        _, tensors, keys = self.take("<IQQ")
        begin = self.at
        self.keys = dict(self.entry() for _ in range(keys))
        self.key_count, self.key_bytes = keys, self.bytes[begin:self.at]
        table = [self.table_entry() for _ in range(tensors)]
        alignment = self.keys.get("general.alignment", 32)
        begin = (self.at + alignment - 1) // alignment * alignment
        self.tensors = {}
        for name, size, kind, offset in table:
            numbers, length = BLOCK_BYTES.get(TYPE_NAMES.get(kind),
                                              (1, VALUE_BYTES.get(TYPE_NAMES.get(kind), 0)))
            for n in size:
                length *= n
            length //= numbers
            data = self.bytes[begin + offset:begin + offset + length]
            self.tensors[name] = Tensor(name, size, kind, data)

    def take(self, form):
        values = struct.unpack_from(form, self.bytes, self.at)
        self.at += struct.calcsize(form)
        return values

    def string(self):
        (length,) = self.take("<Q")
        self.at += length
        return self.bytes[self.at - length:self.at].decode("utf-8", "surrogateescape")

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            element, count = self.take("<IQ")
            return [self.value(element) for _ in range(count)]
        return self.take("<" + SCALARS[kind])[0]

    def entry(self):
        key = self.string()
        return key, self.value(self.take("<I")[0])

    def table_entry(self):
        name = self.string()
        (dimensions,) = self.take("<I")
        return (name, self.take(f"<{dimensions}Q"), *self.take("<IQ"))


def text(value):
    data = value.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def typed(value, integer=4):
    """The type and the bytes of a value: text, flag, float, whole number (u32; i32 in a list)."""
    if isinstance(value, str):
        return 8, text(value)
    if isinstance(value, list):
        items = [typed(item, integer=5) for item in value]
        return 9, struct.pack("<IQ", items[0][0], len(items)) + b"".join(data for _, data in items)
    kind = 7 if isinstance(value, bool) else integer if isinstance(value, int) else 6
    return kind, struct.pack("<" + SCALARS[kind], value)


def key(name, value):
    """One key with its value, as the file has it."""
    kind, data = typed(value)
    return text(name) + struct.pack("<I", kind) + data


def write_gguf(path, key_count, key_bytes, tensors):
    """`tensors`: (name, sizes with the row length first, type name, bytes)."""
    ids = {name: number for number, name in TYPE_NAMES.items()}
    table, data = b"", b""
    for name, size, kind, piece in tensors:
        table += text(name) + struct.pack("<I", len(size)) + struct.pack(f"<{len(size)}Q", *size)
        table += struct.pack("<IQ", ids[kind], len(data))
        data += piece + b"\0" * (-len(piece) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), key_count) + key_bytes + table
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
