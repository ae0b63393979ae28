"""Makes tests/media/audio_data: one short stereo sound in every coding, one longer mono sound to search in.

Usage: python make_audio_data.py OUT        (needs numpy, and ffmpeg 5.1 with lame, vorbis and opus; results are committed)
source.npy is the stereo sound as floats, [2, samples]. Files named lossless_* hold exactly it; u8.wav its high bytes.
"""
import pathlib
import struct
import subprocess
import sys

import numpy as np

OUT = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(11)
RATE = 8000


def tones(seconds, channels):
    t = np.arange(int(seconds * RATE)) / RATE
    sound = [0.4 * np.sin(2 * np.pi * (300 + 200 * c + 150 * t) * t) + 0.1 * np.sin(2 * np.pi * 50 * t) for c in range(channels)]
    return (np.stack(sound) * 32768 + rng.integers(-300, 300, (channels, t.size))).astype(np.int16)


def wav(samples, kind, bits):
    """kind 1: integers, 3: floats; samples [channels, n] of the type that is stored."""
    channels = samples.shape[0]
    data = np.ascontiguousarray(samples.T).tobytes()
    if bits == 24:
        data = np.ascontiguousarray(samples.T.astype("<i4")).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, RATE, RATE * frame, frame, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def ffmpeg(source, name, *options):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", OUT / source, *options, "-fflags", "+bitexact", "-flags:a", "+bitexact",
                    OUT / name], check=True)


short = tones(0.3, 2)
np.save(OUT / "source.npy", (short / 32768).astype(np.float32))
(OUT / "lossless_s16.wav").write_bytes(wav(short, 1, 16))
(OUT / "lossless_s24.wav").write_bytes(wav(short.astype("<i4") << 8, 1, 24))
(OUT / "lossless_s32.wav").write_bytes(wav(short.astype("<i4") << 16, 1, 32))
(OUT / "lossless_f32.wav").write_bytes(wav((short / 32768).astype("<f4"), 3, 32))
(OUT / "lossless_f64.wav").write_bytes(wav((short / 32768).astype("<f8"), 3, 64))
(OUT / "u8.wav").write_bytes(wav(((short >> 8) + 128).astype(np.uint8), 1, 8))
ffmpeg("lossless_s16.wav", "lossless.flac")
ffmpeg("lossless_s16.wav", "lossless_alac.m4a", "-c:a", "alac")
ffmpeg("lossless_s16.wav", "lossless.aiff")
ffmpeg("lossless_s16.wav", "lossless.mkv", "-c:a", "pcm_s16le")
ffmpeg("lossless_s16.wav", "lossy.mp3", "-b:a", "48k")
ffmpeg("lossless_s16.wav", "lossy.ogg", "-c:a", "libvorbis", "-q:a", "8")
ffmpeg("lossless_s16.wav", "lossy.opus", "-b:a", "96k")
picture = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=10:duration=0.3", "-c:v", "mpeg4"]
ffmpeg("lossless_s16.wav", "lossy_with_video.mp4", *picture, "-c:a", "aac", "-b:a", "64k")
ffmpeg("lossless_s16.wav", "video_only.mp4", *picture, "-map", "1:v")

long = tones(3, 1)
(OUT / "long.wav").write_bytes(wav(((long >> 8) + 128).astype(np.uint8), 1, 8))
ffmpeg("long.wav", "long.mp3", "-b:a", "24k")
ffmpeg("long.wav", "long.ogg", "-c:a", "libvorbis", "-q:a", "3")
ffmpeg("long.wav", "long.opus", "-b:a", "24k")
ffmpeg("long.wav", "long.m4a", "-c:a", "aac", "-b:a", "24k")
ffmpeg("long.wav", "long.flac", "-c:a", "flac", "-frame_size", "1024")
