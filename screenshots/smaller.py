"""Makes a PNG small without another library: 256 colours, the most used ones, in the place of thousands.

A page has few colours; the rest are the edges of letters, where nobody sees which of two greys it is.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

COLOURS = 256
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _PALETTE = 2, 3
_BYTES = 3
"""Of a pixel."""


def smaller(png: bytes) -> bytes:
    """The picture with 256 colours. It must be of 8 bits of red, green and blue each, as Chromium's are."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack_from(">IIBB", chunks[0][1])
    if (depth, kind) != (8, _RGB):
        raise ValueError(f"a PNG of kind {kind} with {depth} bits is not expected")
    packed = b"".join(data for name, data in chunks if name == b"IDAT")
    rows = [_pixels(row) for row in _rows(zlib.decompress(packed), width * _BYTES)]
    palette = [colour for colour, _ in Counter(pixel for row in rows for pixel in row).most_common(COLOURS)]
    index = _Nearest(palette)
    lines = b"".join(b"\0" + bytes(map(index.__getitem__, row)) for row in rows)
    return _SIGNATURE + b"".join(
        [
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        ]
    )


class _Nearest(dict[bytes, int]):
    """The place in the palette of each colour, or of the one that is most like it."""

    def __init__(self, palette: list[bytes]) -> None:
        super().__init__({colour: place for place, colour in enumerate(palette)})
        self._palette = palette

    def __missing__(self, colour: bytes) -> int:
        distances = [sum((a - b) ** 2 for a, b in zip(colour, each, strict=True)) for each in self._palette]
        self[colour] = distances.index(min(distances))
        return self[colour]


def _pixels(row: bytes) -> list[bytes]:
    return [row[at : at + _BYTES] for at in range(0, len(row), _BYTES)]


def _rows(data: bytes, length: int) -> Iterator[bytes]:
    """Each row's bytes, the PNG's filters undone."""
    above = bytes(length)
    for at in range(0, len(data), length + 1):
        above = bytes(_unfiltered(data[at], data[at + 1 : at + 1 + length], above))
        yield above


def _unfiltered(kind: int, row: bytes, above: bytes) -> Iterable[int]:
    """A row, given what its bytes differ from: nothing, left, above, the mean of both, or the likeliest."""
    if kind == 0:
        return row
    if kind == 2:
        return [(a + b) & 255 for a, b in zip(row, above, strict=True)]
    done = bytearray(_BYTES)  # what is left of the first pixel
    above_left = bytes(_BYTES) + above
    for at, byte in enumerate(row):
        left, over = done[at], above[at]
        if kind == 1:
            likely = left
        elif kind == 3:
            likely = (left + over) // 2
        else:
            likely = _paeth(left, over, above_left[at])
        done.append((byte + likely) & 255)
    return done[_BYTES:]


def _paeth(left: int, above: int, above_left: int) -> int:
    guess = left + above - above_left
    return min((left, above, above_left), key=lambda each: abs(guess - each))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
