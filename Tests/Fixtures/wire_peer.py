#!/usr/bin/env python3
"""A second implementation of the wire that shares no code with the first; see WireProtocol.md.

  wire_peer.py                 checks every vector of wire-vectors.json; exits 0 if all hold
  wire_peer.py --corpus DIR    writes the vectors as inputs of the fuzzer into DIR
"""

import json
import os
import struct
import sys

MAGIC, VERSION, HEADER_BYTES = 0x54534F52, 1, 56
FRAME_MAX, META_MAX, INLINE_MAX, FRAMES_MAX = 1 << 20, 256 << 10, 4 << 10, 64
PAYLOAD_MAX = FRAME_MAX * FRAMES_MAX
NAME_MAX, DIMENSION_NAME_MAX, DETAIL_MAX, VALUE_MAX = 255, 63, 2048, 60000
LABEL_MAX, REASON_MAX, LABELS_MAX, STATES_MAX = 31, 512, 8, 1024
BATCH_SIZES_MAX = 32
TENSORS_MAX, RANK_MAX, ENDPOINTS_MAX, MODELS_MAX, RECORDS_MAX, ENTRIES_MAX = 64, 8, 16, 256, 1024, 32

DATATYPES = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
             "FP16", "FP32", "FP64", "BF16", "BYTES"]
WIDTHS = [1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 2, None]


class Invalid(Exception):
    """The bytes are no message; the argument is the reason's name."""


def require(condition, reason):
    if not condition:
        raise Invalid(reason)


def padded(count):
    return (count + 7) & ~7


class Reader:
    def __init__(self, data):
        self.data, self.offset = data, 0

    def raw(self, count):
        require(len(self.data) - self.offset >= count, "truncated")
        self.offset += count
        return self.data[self.offset - count:self.offset]

    def number(self, code):
        return struct.unpack("<" + code, self.raw(struct.calcsize("<" + code)))[0]

    def u8(self): return self.number("B")
    def u16(self): return self.number("H")
    def u32(self): return self.number("I")
    def u64(self): return self.number("Q")

    def text(self, limit=NAME_MAX):
        count = self.u16()
        require(count <= limit, "tooLong")
        try:
            return self.raw(count).decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid("badText")

    def boolean(self):
        value = self.u8()
        require(value <= 1, "badValue")
        return value == 1

    def instance(self):
        return "%016x%016x" % (self.u64(), self.u64())

    def items(self, limit, read):
        count = self.u16()
        require(count <= limit, "tooLong")
        return [read(self) for _ in range(count)]


class Writer:
    def __init__(self):
        self.data = b""

    def number(self, code, value): self.data += struct.pack("<" + code, int(value))
    def u8(self, value): self.number("B", value)
    def u16(self, value): self.number("H", value)
    def u32(self, value): self.number("I", value)
    def u64(self, value): self.number("Q", value)
    def boolean(self, value): self.u8(1 if value else 0)

    def text(self, value):
        self.u16(len(value.encode()))
        self.data += value.encode()

    def instance(self, value):
        self.u64(int(value[:16], 16))
        self.u64(int(value[16:], 16))

    def items(self, values, write):
        self.u16(len(values))
        for value in values:
            write(self, value)


# The plain messages: a list of (field, kind). A kind is a scalar's name, a nested list of fields,
# or ("list", limit, kind). Numbers of 64 bits are strings in JSON.

STATES, REASONS, WHYS = range(1, 6), range(1, 3), range(1, 4)
SELECTOR = [("model", "text"), ("version", "u32"), ("zone", "text")]
LOAD = [("inFlight", "u32"), ("queued", "u32"), ("serviceMicroseconds", "u32")]
MODEL = [("name", "text"), ("version", "u32"), ("signatureDigest", "u64"),
         ("labels", ("list", LABELS_MAX, "label"))]
MODEL_MEMORY = [("bytes", "u64"), ("evictions", "u32"), ("flags", "u8")]
MODEL_STATE = [("name", "text"), ("version", "u32"), ("state", range(1, 8)),
               ("labels", ("list", LABELS_MAX, "label")), ("reason", "reason"),
               ("engine", "text")]
REFUSED = [("full", "u64"), ("late", "u64"), ("draining", "u64"), ("expired", "u64"),
           ("timedOut", "u64"), ("cancelled", "u64")]
COUNTERS = [("name", "text"), ("version", "u32"), ("requests", "u64"), ("rows", "u64"),
            ("executions", "u64"), ("queueNanoseconds", "u64"), ("inputNanoseconds", "u64"),
            ("computeNanoseconds", "u64"), ("outputNanoseconds", "u64"),
            ("batchSizes", ("list", BATCH_SIZES_MAX, "u64")), ("refused", REFUSED),
            ("failedBatches", "u64")]
CACHE = [("model", "u16"), ("hits", "u64"), ("misses", "u64"), ("coalesced", "u64"),
         ("bytes", "u64")]
RECORD = [("workerID", "name"), ("incarnation", "u64"), ("instance", "instance"),
          ("revision", "u64"), ("state", STATES), ("zone", "text"), ("slots", "u32"),
          ("queueMax", "u32"), ("endpoints", ("list", ENDPOINTS_MAX, "text")),
          ("models", ("list", MODELS_MAX, MODEL))]
REMOVAL = [("workerID", "text"), ("incarnation", "u64"), ("why", WHYS)]
TENSOR = [("name", "text"), ("datatype", range(1, 15)),
          ("dimensions", ("list", RANK_MAX, "dimension")), ("isOptional", "boolean")]
DESCRIPTION = [("name", "text"), ("version", "u32"), ("engine", "text"),
               ("signature", [("inputs", ("list", TENSORS_MAX, TENSOR)),
                              ("outputs", ("list", TENSORS_MAX, TENSOR))]),
               ("metadata", "metadata")]

TIMING = [("version", "u32"), ("queueMicroseconds", "u32"), ("computeMicroseconds", "u32"),
          ("batchSize", "u32"), ("inFlight", "u32")]
EXTENSION = [("sequence", "u64"), ("position", range(0, 4)), ("itemCredit", "u32"),
             ("isOpen", "boolean")]

PLAIN = {
    0x01: [("record", RECORD)],
    0x02: [("lease", "u32"), ("heartbeatInterval", "u32"), ("spread", "u32")],
    0x03: [("revision", "u64"), ("state", STATES), ("inFlight", "u32"), ("queued", "u32"),
           ("progress", "u64"), ("progressAge", "u32")],
    0x04: [("knownRevision", "u64")],
    0x05: [],
    0x06: [("limit", "u32")],
    0x07: [],
    0x10: [("selector", SELECTOR), ("wait", "u32")],
    0x11: [("sequence", "u64"), ("part", "u32"), ("parts", "u32"), ("complete", "boolean"),
           ("records", ("list", RECORDS_MAX, RECORD))],
    0x12: [("selector", SELECTOR), ("epoch", "u64"), ("sequence", "u64"), ("credit", "u32")],
    0x13: [("sequence", "u64"), ("previous", "u64"), ("upserts", ("list", RECORDS_MAX, RECORD)),
           ("removals", ("list", RECORDS_MAX, REMOVAL))],
    0x14: [("sequence", "u64"), ("count", "u32"), ("sum", "u64")],
    0x20: [("workerID", "text"), ("incarnation", "u64"), ("wantCredit", "u32")],
    0x21: [("credit", "u32"), ("load", LOAD)],
    0x22: [("reason", REASONS), ("limit", "u32")],
    0x24: [("model", "text"), ("version", "u32"), ("label", "label")],
    0x25: [("model", DESCRIPTION)],
    0x26: [("model", "text")],
    0x27: [("total", "u32"), ("states", ("list", STATES_MAX, MODEL_STATE)),
           ("memory", ("list", STATES_MAX, MODEL_MEMORY))],
    0x28: [("action", range(1, 4)), ("model", "text"), ("version", "u32")],
    0x29: [("model", "text")],
    0x2a: [("total", "u32"), ("models", ("list", MODELS_MAX, COUNTERS)),
           ("caches", ("list", MODELS_MAX, CACHE))],
    0x33: [("items", "u32"), ("timing", TIMING)],
    0x34: [],
    0x35: [("messages", "u32")],
    0x36: [("code", "u16"), ("backoff", "u32"), ("value", "u64"), ("detail", "detail")],
    0x37: [],
    0x38: [("load", LOAD)],
}
INFER, RESULT, ITEM, INPUT = 0x30, 0x31, 0x32, 0x39
WITH_TENSORS = (INFER, RESULT, ITEM, INPUT)
EXTENDED = 16


def read_value(reader, kind):
    if isinstance(kind, list):
        return {field: read_value(reader, kind) for field, kind in kind}
    if isinstance(kind, tuple):
        return reader.items(kind[1], lambda reader: read_value(reader, kind[2]))
    if isinstance(kind, range):
        value = reader.u8()
        require(value in kind, "badValue")
        return value
    if kind == "u64":
        return str(reader.u64())
    if kind == "detail":
        return reader.text(DETAIL_MAX)
    if kind == "label":
        return reader.text(LABEL_MAX)
    if kind == "reason":
        return reader.text(REASON_MAX)
    if kind == "name":
        name = reader.text()
        require(name, "badValue")
        return name
    if kind == "dimension":
        size = reader.number("q")
        require(size >= -1, "badValue")
        return {"dynamic": reader.text(DIMENSION_NAME_MAX)} if size == -1 else {"fixed": str(size)}
    if kind == "metadata":
        entries = reader.items(ENTRIES_MAX, lambda r: (r.text(), r.text(VALUE_MAX)))
        return dict(reversed(entries))
    return getattr(reader, kind)()


def write_value(writer, kind, value):
    if isinstance(kind, list):
        for field, inner in kind:
            write_value(writer, inner, value[field])
    elif isinstance(kind, tuple):
        writer.items(value, lambda writer, item: write_value(writer, kind[2], item))
    elif isinstance(kind, range):
        writer.u8(value)
    elif kind == "dimension":
        writer.number("q", value.get("fixed", -1))
        if "dynamic" in value:
            writer.text(value["dynamic"])
    elif kind == "metadata":
        entries = sorted(value.items(), key=lambda entry: (entry[0] != "labels", entry[0]))
        writer.items(entries, lambda w, entry: (w.text(entry[0]), w.text(entry[1])))
    elif kind in ("name", "detail", "label", "reason"):
        writer.text(value)
    else:
        getattr(writer, kind)(value)


# Messages with tensors.

class Tiling:
    """Descriptors must cover the inline part and the payload frames, in order, without a gap."""

    def __init__(self, inline, frames):
        require(all(len(frame) <= FRAME_MAX for frame in frames), "tooLong")
        self.inline, self.frames, self.end, self.next = inline, frames, 0, 1

    def take(self, count, position, byte_count):
        if count == 0:
            require(position == self.end and byte_count <= len(self.inline) - position, "badSpan")
            self.end = padded(position + byte_count)
            return self.inline[position:position + byte_count]
        require(position == self.next and count <= len(self.frames) - (position - 1), "badSpan")
        data = b"".join(self.frames[position - 1:position - 1 + count])
        require(len(data) == byte_count, "badSpan")
        self.next += count
        return data

    def finish(self):
        require(self.end == len(self.inline) and self.next == len(self.frames) + 1, "badSpan")


def read_tensor(reader, tiling):
    name, datatype, rank = reader.text(), reader.u8(), None
    require(1 <= datatype <= 14, "badValue")
    rank, count, position, byte_count = reader.u8(), reader.u16(), reader.u32(), reader.u64()
    require(byte_count <= PAYLOAD_MAX and rank <= RANK_MAX, "tooLong")
    shape, elements = [], 1
    for _ in range(rank):
        shape.append(reader.u64())
        require(shape[-1] < 1 << 63, "badValue")
        elements *= shape[-1]
    width = WIDTHS[datatype - 1]
    if width is None:
        require(4 * elements <= byte_count, "badLength")
    else:
        require(width * elements == byte_count, "badLength")
    data = tiling.take(count, position, byte_count)
    if width is None:
        offset, found = 0, 0
        while offset < len(data):
            require(found < elements and len(data) - offset >= 4, "badLength")
            offset += 4 + struct.unpack_from("<I", data, offset)[0]
            require(offset <= len(data), "badLength")
            found += 1
        require(found == elements, "badLength")
    return {"name": name, "datatype": DATATYPES[datatype - 1], "shape": [str(d) for d in shape],
            "bytes": data.hex()}


def write_tensors(writer, tensors):
    """Writes the descriptors; returns the inline part and the payload frames."""
    inline, frames = b"", []
    for tensor in tensors:
        data = bytes.fromhex(tensor["bytes"])
        if len(inline) + len(data) <= INLINE_MAX:
            count, position = 0, len(inline)
            inline += data + bytes(padded(len(data)) - len(data))
        else:
            parts = [data[i:i + FRAME_MAX] for i in range(0, len(data), FRAME_MAX)]
            count, position = len(parts), len(frames) + 1
            frames += parts
        writer.text(tensor["name"])
        writer.u8(DATATYPES.index(tensor["datatype"]) + 1)
        writer.u8(len(tensor["shape"]))
        writer.u16(count)
        writer.u32(position)
        writer.u64(len(data))
        for dimension in tensor["shape"]:
            writer.u64(dimension)
    return inline, frames


def read_infer(reader, inline, frames, flags):
    fields = {"version": reader.u32(), "attempt": reader.u8(), "priority": reader.u8()}
    inputs, outputs = reader.u16(), reader.u16()
    require(inputs <= TENSORS_MAX and outputs <= TENSORS_MAX, "tooLong")
    fields["model"] = reader.text()
    fields["label"] = reader.text(LABEL_MAX)
    tiling = Tiling(inline, frames)
    fields["inputs"] = [read_tensor(reader, tiling) for _ in range(inputs)]
    tiling.finish()
    fields["outputs"] = [reader.text() for _ in range(outputs)]
    if flags & EXTENDED:
        extended = fields["extended"] = read_value(reader, EXTENSION)
        require(extended["sequence"] != "0" or extended["position"] == 0, "badValue")
        require(extended["itemCredit"] > 0 or not extended["isOpen"], "badValue")
    return fields


def write_infer(writer, fields):
    writer.u32(fields["version"])
    writer.u8(fields["attempt"])
    writer.u8(fields["priority"])
    writer.u16(len(fields["inputs"]))
    writer.u16(len(fields["outputs"]))
    writer.text(fields["model"])
    writer.text(fields["label"])
    payload = write_tensors(writer, fields["inputs"])
    for name in fields["outputs"]:
        writer.text(name)
    if "extended" in fields:
        write_value(writer, EXTENSION, fields["extended"])
    return payload


# The other messages with tensors: plain fields, and the name of the tensors behind them.
TENSORS = {
    RESULT: ([("timing", TIMING)], "outputs"),
    ITEM: ([("index", "u32")], "outputs"),
    INPUT: ([("index", "u32"), ("isLast", "boolean")], "inputs"),
}


def read_tensors(kind, reader, inline, frames):
    plain, tensors = TENSORS[kind]
    fields = read_value(reader, plain)
    count = reader.u16()
    require(count <= TENSORS_MAX, "tooLong")
    tiling = Tiling(inline, frames)
    fields[tensors] = [read_tensor(reader, tiling) for _ in range(count)]
    tiling.finish()
    return fields


# Whole messages.

FRAMES_OFFSET = 7
HEADER = [("flags", "u8"), ("payloadFrames", "u8"), ("linkSequence", "u64"), ("requestID", "u64"),
          ("aux", "u64"), ("sender", "instance")]


def decode(frames):
    """The type, header and fields of one message: frame 0 and the payload frames behind it."""
    require(frames and len(frames[0]) >= HEADER_BYTES, "truncated")
    reader = Reader(frames[0])
    require(reader.u32() == MAGIC, "badMagic")
    require(reader.u8() == VERSION, "badVersion")
    kind = reader.u8()
    require(kind in PLAIN or kind in WITH_TENSORS, "badType")
    header = read_value(reader, HEADER)
    announced = header.pop("payloadFrames")
    require(announced <= FRAMES_MAX, "tooLong")
    meta_bytes, inline_bytes = reader.u32(), reader.u32()
    require(meta_bytes <= META_MAX and inline_bytes <= INLINE_MAX, "tooLong")
    start = HEADER_BYTES + padded(meta_bytes)
    require(len(frames[0]) == start + inline_bytes, "trailingBytes")
    meta, inline = Reader(reader.raw(meta_bytes)), frames[0][start:]
    require(kind in WITH_TENSORS or not (inline or announced), "badSpan")
    require(len(frames) - 1 == announced, "badSpan")
    if kind == INFER:
        return kind, header, read_infer(meta, inline, frames[1:], header["flags"])
    if kind in TENSORS:
        return kind, header, read_tensors(kind, meta, inline, frames[1:])
    fields = read_value(meta, PLAIN[kind])
    require(kind != 0x11 or fields["part"] < fields["parts"], "badValue")
    require(kind != 0x27 or fields["total"] >= len(fields["states"]), "badValue")
    return kind, header, fields


def encode(kind, header, fields):
    meta, inline, frames = Writer(), b"", []
    if kind == INFER:
        inline, frames = write_infer(meta, fields)
    elif kind in TENSORS:
        plain, tensors = TENSORS[kind]
        write_value(meta, plain, fields)
        meta.u16(len(fields[tensors]))
        inline, frames = write_tensors(meta, fields[tensors])
    else:
        write_value(meta, PLAIN[kind], fields)
    writer = Writer()
    writer.u32(MAGIC)
    writer.u8(VERSION)
    writer.u8(kind)
    write_value(writer, HEADER, {**header, "payloadFrames": len(frames)})
    writer.u32(len(meta.data))
    writer.u32(len(inline))
    padding = bytes(padded(len(meta.data)) - len(meta.data))
    return [writer.data + meta.data + padding + inline] + frames


def split(frames):
    """The messages of a bundle (one ZeroMQ message), one by one: lists of frames for decode()."""
    while frames:
        require(len(frames[0]) >= HEADER_BYTES, "truncated")
        end = 1 + frames[0][FRAMES_OFFSET]
        yield frames[:end]
        frames = frames[end:]


def frames_of(vector):
    return [bytes.fromhex(frame) for frame in vector["frames"]]


def check(vectors):
    failures = []
    for vector in vectors["messages"]:
        frames = frames_of(vector)
        try:
            decoded = decode(frames)
        except Invalid as error:
            failures.append(f"{vector['name']}: refused as {error}")
            continue
        expected = (vector["type"], vector["header"], vector["fields"])
        if decoded != expected:
            failures.append(f"{vector['name']}: {decoded} instead of {expected}")
        if vector["canonical"] and encode(*decoded) != frames:
            failures.append(f"{vector['name']}: encoded differently")
    for vector in vectors["invalid"]:
        try:
            decode(frames_of(vector))
            failures.append(f"{vector['name']}: taken, though {vector['reason']}")
        except Invalid as error:
            if str(error) != vector["reason"]:
                failures.append(f"{vector['name']}: {error} instead of {vector['reason']}")
    for vector in vectors["bundles"]:
        try:
            messages = list(split(frames_of(vector)))
            for message in messages:
                decode(message)
        except Invalid as error:
            failures.append(f"{vector['name']}: refused as {error}")
            continue
        if [len(message) for message in messages] != vector["counts"]:
            failures.append(f"{vector['name']}: split differently")
    for vector in vectors["invalidBundles"]:
        try:
            for message in split(frames_of(vector)):
                decode(message)
            failures.append(f"{vector['name']}: taken, though {vector['reason']}")
        except Invalid as error:
            if str(error) != vector["reason"]:
                failures.append(f"{vector['name']}: {error} instead of {vector['reason']}")
    return failures


def write_corpus(vectors, directory):
    os.makedirs(directory, exist_ok=True)
    for vector in (vectors["messages"] + vectors["invalid"] + vectors["bundles"]
                   + vectors["invalidBundles"]):
        frames = frames_of(vector)
        if not frames or len(frames) > 8 or sum(map(len, frames)) > 1 << 16:
            continue
        for prefix in (0, 0x80):
            sizes = b"".join(struct.pack("<H", len(frame)) for frame in frames[1:])
            data = bytes([prefix | len(frames) - 1]) + sizes + b"".join(frames)
            with open(os.path.join(directory, f"{vector['name']}-{prefix}"), "wb") as file:
                file.write(data)


def main(arguments):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wire-vectors.json")
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    if arguments[:1] == ["--corpus"]:
        write_corpus(vectors, arguments[1])
        return 0
    failures = check(vectors)
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(vectors['messages'])} messages, {len(vectors['invalid'])} invalid, "
          f"{len(vectors['bundles'])} bundles, {len(vectors['invalidBundles'])} invalid: "
          f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
