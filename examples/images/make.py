#!/usr/bin/env python3
"""Makes the images of png.c: one good file, and corrupt ones derived from it. Prints the good one's mean colour.

They are kept beside this script; it is run again only to change them."""
import pathlib
import struct
import zlib

WIDTH, HEIGHT = 96, 64
HERE = pathlib.Path(__file__).parent


def pixel(x, y):
    """An evening sky, the sun in it, and the sea below."""
    if (x - 64) ** 2 + (y - 30) ** 2 < 100:
        return 255, 236, 150
    if y < 42:
        return 40 + 5 * y, 60 + 2 * y, 120 - y // 2
    glitter = 30 if abs(x - 64) < 4 + (y - 42) // 2 and (x * 7 + y * 3) % 5 < 2 else 0
    return 30 + 3 * glitter, 50 + 2 * glitter + x // 8, 90 + glitter


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, lines):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8-bit RGB, not interlaced
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) +
            chunk(b"IEND", b""))


def main():
    rows = [[pixel(x, y) for x in range(WIDTH)] for y in range(HEIGHT)]
    lines = b"".join(b"\0" + b"".join(bytes(p) for p in row) for row in rows)
    good = png(WIDTH, HEIGHT, lines)
    bad_crc = bytearray(good)
    bad_crc[good.index(b"IEND") - 5] ^= 1  # one bit of the checksum before the last chunk's length
    files = {
        "evening.png": good,
        "truncated.png": good[:len(good) // 2],
        "bad-crc.png": bytes(bad_crc),
        "huge.png": png(16000, 16000, lines),  # the same pixels under a header that promises 768 MB of them
        "not-a-png.png": b"This is a text file with the wrong name.\n",
    }
    for name, data in files.items():
        (HERE / name).write_bytes(data)
    count = WIDTH * HEIGHT
    mean = [(sum(p[c] for row in rows for p in row) + count // 2) // count for c in range(3)]
    print("mean colour #%02x%02x%02x" % tuple(mean))


if __name__ == "__main__":
    main()
