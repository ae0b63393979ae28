#!/usr/bin/env python3
"""Times PyTorch on the CPU at the layer shapes of LLaVA-1.5-7B, for comparison with bench/kernels.

    pip install torch==2.5.1
    python bench/peer_pytorch.py --threads 2 --dtypes float32,bfloat16 > peer.json

Every entry is the minimum over repetitions: wall seconds, and CPU seconds of the process divided by the number
of threads (a busy machine disturbs the second less). Weights are random; shapes are the real ones.
"""
import argparse
import json
import platform
import time

import torch
import torch.nn.functional as F

LLAMA_HIDDEN, LLAMA_INTERMEDIATE, LLAMA_HEADS, LLAMA_ROWS = 4096, 11008, 32, 640
CLIP_HIDDEN, CLIP_INTERMEDIATE, CLIP_HEADS, CLIP_ROWS, CLIP_LAYERS = 1024, 4096, 16, 577, 23


def smallest(run, seconds, threads):
    """Minimum wall and CPU seconds per thread of run() over at least three runs and `seconds`."""
    run()
    wall = cpu = float("inf")
    start, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - start < seconds:
        w, c = time.perf_counter(), time.process_time()
        run()
        wall = min(wall, time.perf_counter() - w)
        cpu = min(cpu, (time.process_time() - c) / threads)
        count += 1
    return {"wall_s": wall, "cpu_s_per_thread": cpu, "runs": count}


def with_rate(result, flops):
    result["gflops_wall"] = flops / result["wall_s"] / 1e9
    result["gflops_cpu_per_thread"] = flops / result["cpu_s_per_thread"] / 1e9
    return result


def linear(rows, inputs, outputs, dtype, options):
    x, w = torch.randn(rows, inputs, dtype=dtype), torch.randn(outputs, inputs, dtype=dtype)
    return with_rate(smallest(lambda: F.linear(x, w), options.seconds, options.threads), 2 * rows * inputs * outputs)


def attention(rows, heads, head_dim, causal, dtype, options):
    q, k, v = (torch.randn(1, heads, rows, head_dim, dtype=dtype) for _ in range(3))
    run = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return with_rate(smallest(run, options.seconds, options.threads),
                     4 * rows * rows * heads * head_dim // (2 if causal else 1))


class ClipBlock(torch.nn.Module):
    """Pre-norm block of CLIP ViT-L/14 with QuickGELU."""

    def __init__(self):
        super().__init__()
        self.layer_norm1, self.layer_norm2 = torch.nn.LayerNorm(CLIP_HIDDEN), torch.nn.LayerNorm(CLIP_HIDDEN)
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            torch.nn.Linear(CLIP_HIDDEN, CLIP_HIDDEN) for _ in range(4))
        self.fc1 = torch.nn.Linear(CLIP_HIDDEN, CLIP_INTERMEDIATE)
        self.fc2 = torch.nn.Linear(CLIP_INTERMEDIATE, CLIP_HIDDEN)

    def forward(self, x):
        h = self.layer_norm1(x)
        split = lambda t: t.view(1, -1, CLIP_HEADS, CLIP_HIDDEN // CLIP_HEADS).transpose(1, 2)
        h = F.scaled_dot_product_attention(split(self.q_proj(h)), split(self.k_proj(h)), split(self.v_proj(h)))
        x = x + self.out_proj(h.transpose(1, 2).reshape(x.shape))
        h = self.fc1(self.layer_norm2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


class LlamaBlock(torch.nn.Module):
    """LLaMA-7B block, prefill without a cache."""

    def __init__(self):
        super().__init__()
        make = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.input_norm, self.post_norm = (torch.nn.Parameter(torch.ones(LLAMA_HIDDEN)) for _ in range(2))
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (make(LLAMA_HIDDEN, LLAMA_HIDDEN) for _ in range(4))
        self.gate_proj, self.up_proj = (make(LLAMA_HIDDEN, LLAMA_INTERMEDIATE) for _ in range(2))
        self.down_proj = make(LLAMA_INTERMEDIATE, LLAMA_HIDDEN)

    @staticmethod
    def norm(x, weight):
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * weight

    def forward(self, x, cos, sin):
        h = self.norm(x, self.input_norm)
        split = lambda t: t.view(1, -1, LLAMA_HEADS, LLAMA_HIDDEN // LLAMA_HEADS).transpose(1, 2)

        def rotate(t):
            a, b = t.chunk(2, -1)
            return t * cos + torch.cat((-b, a), -1) * sin

        q, k, v = rotate(split(self.q_proj(h))), rotate(split(self.k_proj(h))), split(self.v_proj(h))
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(h.transpose(1, 2).reshape(x.shape))
        h = self.norm(x, self.post_norm)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


def clip_encode(dtype, options):
    block = ClipBlock().to(dtype)  # the same block 23 times: weights do not fit a cache either way
    x = torch.randn(1, CLIP_ROWS, CLIP_HIDDEN, dtype=dtype)

    def run():
        h = x
        for _ in range(CLIP_LAYERS):
            h = block(h)

    return smallest(run, options.seconds, options.threads)


def llama_block(dtype, options):
    block = LlamaBlock().to(dtype)
    x = torch.randn(1, LLAMA_ROWS, LLAMA_HIDDEN, dtype=dtype)
    head_dim = LLAMA_HIDDEN // LLAMA_HEADS
    angles = torch.outer(torch.arange(LLAMA_ROWS).float(), 10000.0 ** (-torch.arange(0, head_dim, 2) / head_dim))
    angles = torch.cat((angles, angles), -1)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    return smallest(lambda: block(x, cos, sin), options.seconds, options.threads)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--seconds", type=float, default=3.0, help="least time per measurement")
    parser.add_argument("--only", nargs="+", help="entries to measure, of all")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shapes = [(LLAMA_ROWS, LLAMA_HIDDEN, LLAMA_HIDDEN), (LLAMA_ROWS, LLAMA_HIDDEN, LLAMA_INTERMEDIATE),
              (LLAMA_ROWS, LLAMA_INTERMEDIATE, LLAMA_HIDDEN), (CLIP_ROWS, CLIP_HIDDEN, CLIP_HIDDEN),
              (CLIP_ROWS, CLIP_HIDDEN, CLIP_INTERMEDIATE), (CLIP_ROWS, CLIP_INTERMEDIATE, CLIP_HIDDEN),
              (1, LLAMA_HIDDEN, LLAMA_INTERMEDIATE)]
    entries = {f"linear_{rows}x{inputs}x{outputs}": lambda dtype, shape=(rows, inputs, outputs):
               linear(*shape, dtype, options) for rows, inputs, outputs in shapes}
    entries["attention_clip_577x16x64"] = lambda dtype: attention(CLIP_ROWS, CLIP_HEADS, 64, False, dtype, options)
    entries["attention_causal_640x32x128"] = lambda dtype: attention(LLAMA_ROWS, LLAMA_HEADS, 128, True, dtype, options)
    entries["clip_encode_23_blocks"] = lambda dtype: clip_encode(dtype, options)
    entries["llama_7b_block_prefill_640"] = lambda dtype: llama_block(dtype, options)
    report = {"torch": torch.__version__, "threads": options.threads, "machine": platform.processor(), "results": {}}
    with torch.inference_mode():
        for name in options.dtypes.split(","):
            report["results"][name] = {entry: measure(getattr(torch, name)) for entry, measure in entries.items()
                                       if not options.only or entry in options.only}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
