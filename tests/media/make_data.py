"""Makes tests/media/data: small files of every kind the decoders read, and what Pillow 10.4.0 makes of each.

Usage: python make_data.py OUT        (needs Pillow 10.4.0 and numpy; the results are committed)
Each NAME.EXT gets NAME.EXT.npy, the bytes of Image.open(NAME.EXT).convert("RGB") as [height, width, 3].
modes.json has the mode of Image.open(NAME.EXT); where the RGB bytes do not show all of its samples, these are in
NAME.EXT.native.npy, [height, width, bytes per pixel]. open_clip_S.npy has all files that Pillow can resize, in the
order of modes.json, as open_clip's evaluation transform at image size S sees them before it scales them: [files, 3, S, S].
"""
import io
import json
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, __version__

assert __version__ == "10.4.0", __version__
OUT = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(7)


def picture(height, width, channels=3):
    """Smooth colours with some noise: compressible, but not by guessing."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(128 + 100 * np.sin(x / (3 + c) + y / (5 - c * 0.7) + c)) for c in range(channels)]
    noise = rng.integers(-12, 13, (height, width, channels))
    return np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8)


saved = []


def save(name, data):
    saved.append(name)
    (OUT / name).write_bytes(data)
    image = Image.open(io.BytesIO(data)).convert("RGB")
    np.save(OUT / (name + ".npy"), np.asarray(image))


def pillow(name, image, fmt, **options):
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    save(name, buffer.getvalue())
    return buffer.getvalue()


# ---- PNG, written by hand: Pillow cannot write most of these --------------------------------------
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth, seed):
    """samples [height, width, channels] -> filtered scan lines; the filter type changes from row to row."""
    out, previous = b"", None
    for row_index, row in enumerate(samples):
        flat = row.reshape(-1)
        if depth == 16:
            raw = flat.astype(">u2").tobytes()
        elif depth == 8:
            raw = flat.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in flat)
            bits += "0" * (-len(bits) % 8)
            raw = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        step = max(1, depth * samples.shape[2] // 8)
        kind = (row_index + seed) % 5 if depth >= 8 else 0
        above = previous or bytes(len(raw))
        line = bytearray()
        for i, value in enumerate(raw):
            left = raw[i - step] if i >= step else 0
            up = above[i]
            corner = above[i - step] if i >= step else 0
            estimate = left + up - corner
            distances = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
            paeth = (left, up, corner)[distances.index(min(distances))]
            line.append((value - (0, left, up, (left + up) // 2, paeth)[kind]) & 255)
        out += bytes([kind]) + bytes(line)
        previous = raw
    return out


def png(samples, depth, colour, extra=b"", interlace=False, end=True):
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlace))
    if interlace:
        body = b""
        for y0, x0, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
            part = samples[y0::dy, x0::dx]
            if part.size:
                body += pack_rows(part, depth, 1)
    else:
        body = pack_rows(samples, depth, 0)
    packed = zlib.compress(body, 9)
    half = len(packed) // 2
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
    data += chunk(b"IDAT", packed[:half]) + chunk(b"IDAT", packed[half:])
    return data + (chunk(b"IEND", b"") if end else b"")


def palette_chunk(count):
    return chunk(b"PLTE", rng.integers(0, 256, (count, 3), dtype=np.uint8).tobytes())


for depth in (1, 2, 4, 8, 16):
    for interlace in (False, True):
        samples = rng.integers(0, 1 << depth, (13, 19, 1))
        if depth == 16:
            samples[::2] //= 200
        tag = "_interlaced" if interlace else ""
        save(f"grey{depth}{tag}.png", png(samples, depth, 0, interlace=interlace))
        if depth <= 8:
            samples = rng.integers(0, 1 << depth, (11, 9, 1))
            extra = palette_chunk(1 << depth)
            save(f"palette{depth}{tag}.png", png(samples, depth, 3, extra, interlace))
for depth in (8, 16):
    top = 1 << depth
    save(f"grey_alpha{depth}.png", png(rng.integers(0, top, (9, 11, 2)), depth, 4))
    save(f"rgb{depth}.png", png(rng.integers(0, top, (9, 11, 3)), depth, 2))
    save(f"rgba{depth}.png", png(rng.integers(0, top, (9, 11, 4)), depth, 6))
    save(f"rgba{depth}_interlaced.png", png(rng.integers(0, top, (9, 11, 4)), depth, 6, interlace=True))
samples = rng.integers(0, 256, (8, 8, 1))
save("palette_short.png", png(samples, 8, 3, palette_chunk(37)))
save("palette_trns.png", png(samples, 8, 3, palette_chunk(256) + chunk(b"tRNS", bytes(range(0, 250, 5)))))
save("grey_trns.png", png(samples, 8, 0, chunk(b"tRNS", b"\0\x40")))
save("rgb_trns.png", png(picture(6, 7), 8, 2, chunk(b"tRNS", b"\0\x40\0\x40\0\x40")))
save("no_end_chunk.png", png(picture(6, 7), 8, 2, end=False))
save("gamma_and_profile_ignored.png", png(picture(6, 7), 8, 2, chunk(b"gAMA", struct.pack(">I", 30000)) + chunk(b"tEXt", b"Title\0x")))
save("one_pixel.png", png(np.array([[[9, 200, 77]]]), 8, 2))

# ---- GIF -----------------------------------------------------------------------------------------
def lzw(indices, bits):
    """Literal codes with a clear code before the table can grow past the first code size."""
    clear, end, codes = 1 << bits, (1 << bits) + 1, []
    for i, value in enumerate(indices):
        if i % ((1 << bits) - 2) == 0:
            codes.append(clear)
        codes.append(int(value))
    stream = "".join(format(code, f"0{bits + 1}b")[::-1] for code in codes + [end])
    stream += "0" * (-len(stream) % 8)
    data = bytes(int(stream[i:i + 8][::-1], 2) for i in range(0, len(stream), 8))
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


def gif(screen, frame, box, table, local=None, transparent=None, interlace=False, background=0, bits=None):
    """table, local: [2^n, 3] or None; box: left, top."""
    def size_bits(t):
        return int(len(t)).bit_length() - 2
    flags = (0x80 | size_bits(table)) if table is not None else 0
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, background, 0)
    if table is not None:
        out += table.tobytes()
    out += b"!\xfe\x05hello\0"
    if transparent is not None:
        out += b"!\xf9\x04" + struct.pack("<BHB", 1, 0, transparent) + b"\0"
    height, width = frame.shape
    flags = (0x40 if interlace else 0) | ((0x80 | size_bits(local)) if local is not None else 0)
    out += b"," + struct.pack("<HHHHB", *box, width, height, flags)
    if local is not None:
        out += local.tobytes()
    if interlace:
        frame = np.concatenate([frame[0::8], frame[4::8], frame[2::4], frame[1::2]])
    bits = bits or 8
    return out + bytes([bits]) + lzw(frame.reshape(-1), bits) + b";"


table = rng.integers(0, 256, (16, 3), dtype=np.uint8)
wide = rng.integers(0, 256, (256, 3), dtype=np.uint8)
identity = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
frame = rng.integers(0, 16, (12, 14))
save("plain.gif", gif((14, 12), frame, (0, 0), table, bits=4))
save("interlaced.gif", gif((14, 12), frame, (0, 0), table, interlace=True, bits=4))
save("offset.gif", gif((20, 18), frame, (3, 4), table, background=5, bits=4))
save("offset_transparent.gif", gif((20, 18), frame, (3, 4), table, transparent=7, bits=4))
save("beyond_screen.gif", gif((10, 9), frame, (3, 4), table, bits=4))
save("local_table.gif", gif((14, 12), frame, (0, 0), wide, local=table, bits=4))
save("no_table.gif", gif((14, 12), rng.integers(0, 256, (12, 14)), (0, 0), None))
save("identity_table.gif", gif((14, 12), rng.integers(0, 256, (12, 14)), (0, 0), identity))
save("identity_local_table.gif", gif((14, 12), rng.integers(0, 256, (12, 14)), (0, 0), wide, local=identity))
save("short_table.gif", gif((14, 12), rng.integers(0, 256, (12, 14)), (0, 0), table))
quantised = Image.fromarray(picture(24, 30)).quantize(200)
pillow("lzw.gif", quantised, "GIF")
pillow("lzw_interlaced.gif", quantised, "GIF", interlace=True)
pillow("flat.gif", Image.new("P", (80, 50), 3), "GIF", interlace=False)
second = Image.fromarray(255 - picture(24, 30)).quantize(200)
pillow("animated.gif", quantised, "GIF", save_all=True, append_images=[second], duration=50)

# ---- WebP ----------------------------------------------------------------------------------------
photo = Image.fromarray(picture(25, 31))
photo_alpha = Image.fromarray(picture(25, 31, 4))
pillow("lossy.webp", photo, "WEBP", quality=60)
pillow("lossless.webp", photo, "WEBP", lossless=True)
pillow("lossy_alpha.webp", photo_alpha, "WEBP", quality=60)
pillow("lossless_alpha_exact.webp", photo_alpha, "WEBP", lossless=True, exact=True)
other = Image.fromarray(255 - picture(25, 31))
pillow("animated.webp", photo, "WEBP", save_all=True, append_images=[other], duration=40, quality=60)
still = Image.fromarray(picture(12, 10))
buffer = io.BytesIO()
still.save(buffer, "WEBP", lossless=True)
body = buffer.getvalue()[12:]                      # one VP8L chunk
anmf = struct.pack("<I", 4)[:3] + struct.pack("<I", 3)[:3] + struct.pack("<I", 9)[:3] + struct.pack("<I", 11)[:3]
anmf += struct.pack("<I", 100)[:3] + b"\0" + body
riff = b"WEBPVP8X" + struct.pack("<II", 10, 0x02) + struct.pack("<I", 29)[:3] + struct.pack("<I", 24)[:3]
riff += b"ANIM" + struct.pack("<IIH", 6, 0xff336699, 0) + b"ANMF" + struct.pack("<I", len(anmf)) + anmf
save("animated_offset.webp", b"RIFF" + struct.pack("<I", len(riff)) + riff)

# ---- BMP, written by hand --------------------------------------------------------------------------
def bmp(width, height, bits, rows, table=b"", compression=0, masks=b"", colours=0, header=40, top_down=False):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression,
                           len(rows), 2835, 2835, colours, 0)
        if header > 40:
            info += masks + bytes(header - 40 - len(masks))
            masks = b""
    offset = 14 + len(info) + len(masks) + len(table)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + masks + table + rows


def bmp_rows(values, bits):
    out = b""
    for row in values:
        text = "".join(format(int(v), f"0{bits}b") for v in row.reshape(-1)) if bits < 8 else None
        raw = bytes(int((text + "0" * 8)[i:i + 8], 2) for i in range(0, len(text), 8)) if text else row.tobytes()
        out += raw + bytes(-len(raw) % 4)
    return out


def bmp_table(count):
    return np.pad(rng.integers(0, 256, (count, 3), dtype=np.uint8), ((0, 0), (0, 1))).tobytes()


photo = picture(9, 13)
save("rgb24.bmp", bmp(13, 9, 24, bmp_rows(photo[::-1, :, ::-1], 24)))
save("rgb24_top_down.bmp", bmp(13, 9, 24, bmp_rows(photo[:, :, ::-1], 24), top_down=True))
save("rgb24_os2.bmp", bmp(13, 9, 24, bmp_rows(photo[::-1, :, ::-1], 24), header=12))
save("rgb32.bmp", bmp(13, 9, 32, bmp_rows(picture(9, 13, 4), 32)))
save("rgb32_masks.bmp", bmp(13, 9, 32, bmp_rows(picture(9, 13, 4), 32), compression=3,
                            masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000), header=108))
save("rgb32_masks_high.bmp", bmp(13, 9, 32, bmp_rows(picture(9, 13, 4), 32), compression=3,
                                 masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00)))
words = rng.integers(0, 65536, (9, 13, 1)).astype("<u2")
save("rgb555.bmp", bmp(13, 9, 16, bmp_rows(words, 16)))
save("rgb565.bmp", bmp(13, 9, 16, bmp_rows(words, 16), compression=3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
for bits in (1, 4, 8):
    values = rng.integers(0, 1 << bits, (9, 13, 1)).astype(np.uint8)
    save(f"palette{bits}.bmp", bmp(13, 9, bits, bmp_rows(values, bits), bmp_table(1 << bits)))
values = rng.integers(0, 256, (9, 13, 1)).astype(np.uint8)
save("palette8_short.bmp", bmp(13, 9, 8, bmp_rows(values, 8), bmp_table(40), colours=40))
save("palette8_os2.bmp", bmp(13, 9, 8, bmp_rows(values, 8), rng.integers(0, 256, 768, dtype=np.uint8).tobytes(), header=12))
save("grey8.bmp", bmp(13, 9, 8, bmp_rows(values, 8), np.pad(identity, ((0, 0), (0, 1))).tobytes()))
pillow("bilevel.bmp", Image.fromarray(picture(9, 13)).convert("1"), "BMP")
rle8 = b"\x05\x07\x08\x09\x00\x00" + b"\x00\x05\x01\x02\x03\x04\x05\x00\x04\x09\x04\x20\x00\x00" + b"\x03\x01\x0a\x05"
rle8 += b"\x00\x00" + b"\x0d\x33\x00\x00" * 5 + b"\x0d\x11\x00\x01"
save("rle8.bmp", bmp(13, 9, 8, rle8, bmp_table(256), compression=1))
rle4 = b"\x05\x17\x08\x29\x00\x00" + b"\x00\x04\x12\x34\x09\x44\x00\x00" + b"\x0d\x33\x00\x00" * 6 + b"\x0d\x11\x00\x01"
save("rle4.bmp", bmp(13, 9, 4, rle4, bmp_table(16), compression=2))

# ---- JPEG ----------------------------------------------------------------------------------------
photo = Image.fromarray(picture(27, 35))
for tag, subsampling in (("444", 0), ("422", 1), ("420", 2)):
    pillow(f"rgb{tag}.jpg", photo, "JPEG", quality=80, subsampling=subsampling)
pillow("rgb411.jpg", photo, "JPEG", quality=80, subsampling="4:1:1")
pillow("progressive.jpg", photo, "JPEG", quality=70, progressive=True)
pillow("restarts.jpg", photo, "JPEG", quality=70, restart_marker_blocks=2)
pillow("grey.jpg", photo.convert("L"), "JPEG", quality=70)
pillow("adobe_rgb.jpg", photo, "JPEG", quality=80, keep_rgb=True)
cmyk = pillow("cmyk.jpg", Image.fromarray(picture(19, 21, 4), "CMYK"), "JPEG", quality=85)
at = cmyk.index(b"Adobe") + 11
save("ycck.jpg", cmyk[:at] + b"\x02" + cmyk[at + 1:])
rgb420 = (OUT / "rgb420.jpg").read_bytes()
save("no_end_marker.jpg", (OUT / "rgb444.jpg").read_bytes()[:-2] + b"\0\0\0\0\0\0\0\0")
save("trailing_bytes.jpg", rgb420 + b"trailing" * 4)

# ---- resizing: one picture, every filter, sizes up and down ------------------------------------------
source = rng.integers(0, 256, (31, 43, 3), dtype=np.uint8)
np.save(OUT / "resize_source.npy", source)
for tag, kind in (("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR), ("nearest", Image.NEAREST)):
    for width, height in ((17, 9), (50, 36), (43, 12), (20, 31), (1, 1), (13, 64), (64, 13)):
        out = Image.fromarray(source).resize((width, height), kind)
        np.save(OUT / f"resize_{tag}_{width}x{height}.npy", np.asarray(out))

# ---- every file in its own mode ------------------------------------------------------------------------
def own_samples(image):
    samples = np.asarray(image)
    if image.mode == "I;16":
        samples = samples.astype("<u2").view(np.uint8)
    if image.mode == "1":
        samples = samples * np.uint8(255)
    return samples.reshape(image.height, image.width, -1)


def open_clip(image, size):
    """torchvision: Resize(size, bicubic), CenterCrop(size); then convert("RGB")."""
    width, height = image.size
    short, long = min(image.size), max(image.size)
    resized = (size, int(size * long / short)) if width <= height else (int(size * long / short), size)
    if resized != image.size:
        image = image.resize(resized, Image.BICUBIC)
    left, top = int(round((resized[0] - size) / 2.0)), int(round((resized[1] - size) / 2.0))
    return np.asarray(image.crop((left, top, left + size, top + size)).convert("RGB")).transpose(2, 0, 1)


modes, crops = {}, {6: [], 17: []}
for name in sorted(saved):
    image = Image.open(OUT / name)
    image.load()
    mode = image.im.mode                           # a grey frame under a coloured screen table says L and is P
    resizes = True
    try:
        for size in crops:
            crops[size].append(open_clip(image, size))
    except ValueError as error:                    # I;16, and that frame
        assert str(error) == "image has wrong mode", error
        resizes = False
    modes[name] = {"mode": mode, "resizes": resizes}
    if mode in ("LA", "RGBA", "CMYK", "I;16"):
        np.save(OUT / (name + ".native.npy"), own_samples(image))
(OUT / "modes.json").write_text(json.dumps(modes, indent=1) + "\n")
for size, stack in crops.items():
    np.save(OUT / f"open_clip_{size}.npy", np.stack(stack))

# ---- resizing in every mode: all sizes of one mode in one file, one after the other -----------------------
grey = rng.integers(0, 256, (13, 19), dtype=np.uint8)
alpha = rng.choice(np.array([0, 1, 2, 77, 200, 254, 255], dtype=np.uint8), (13, 19))
colour = rng.integers(0, 256, (13, 19, 3), dtype=np.uint8)
sources = {
    "1": Image.fromarray(grey).point(lambda level: 255 * (level > 99), "1"),
    "L": Image.fromarray(grey),
    "LA": Image.fromarray(np.dstack([grey, alpha]), "LA"),
    "P": Image.fromarray(grey, "P"),
    "RGBA": Image.fromarray(np.dstack([colour, alpha]), "RGBA"),
    "CMYK": Image.fromarray(np.dstack([colour, grey]), "CMYK"),
}
for mode, source in sources.items():
    np.save(OUT / f"resize_native_{mode}_source.npy", own_samples(source))
    resized = [source.resize(size, Image.BICUBIC) for size in ((7, 5), (38, 26), (19, 8), (30, 13), (19, 13))]
    np.save(OUT / f"resize_native_{mode}.npy", np.concatenate([own_samples(each).reshape(-1) for each in resized]))
