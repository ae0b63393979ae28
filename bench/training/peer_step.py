#!/usr/bin/env python3
"""The step that step_bench times, in PyTorch 2.5: CLIP without gradients, an mlp2x_gelu projector that learns, a frozen LLaMA, AdamW.

    python bench/training/peer_step.py --config demo|7b-blocks [--batch 16] [--text 96] [--targets 24] [--threads 2] [--dtype float32]

Weights are random; logits are computed of the rows that predict something, as ours are. Prints JSON.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

CONFIGS = {
    "demo": dict(image=80, patch=10, vision=128, vision_layers=5, vision_heads=4, vision_mlp=384,
                 hidden=128, layers=4, heads=4, mlp=336, vocabulary=400),
    # Two blocks of LLaVA-1.5-7B's language model; the whole has 32 of them.
    "7b-blocks": dict(image=336, patch=14, vision=1024, vision_layers=2, vision_heads=16, vision_mlp=4096,
                      hidden=4096, layers=2, heads=32, mlp=11008, vocabulary=32000),
}


class ClipBlock(nn.Module):
    def __init__(self, d, heads, mlp):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, mlp), nn.Linear(mlp, d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        y = self.fc1(self.norm2(x))
        return x + self.fc2(y * torch.sigmoid(1.702 * y))


class Clip(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["vision"]
        self.patch = nn.Conv2d(3, d, c["patch"], c["patch"], bias=False)
        self.cls = nn.Parameter(torch.randn(d) * .02)
        self.position = nn.Parameter(torch.randn((c["image"] // c["patch"]) ** 2 + 1, d) * .02)
        self.norm = nn.LayerNorm(d)
        self.blocks = nn.ModuleList(ClipBlock(d, c["vision_heads"], c["vision_mlp"]) for _ in range(c["vision_layers"]))

    def forward(self, pixels):
        x = self.patch(pixels).flatten(2).transpose(1, 2)
        x = self.norm(torch.cat([self.cls.expand(len(x), 1, -1), x], 1) + self.position)
        for block in self.blocks:
            x = block(x)
        return x[:, 1:]


class Block(nn.Module):
    def __init__(self, d, heads, mlp):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(d, mlp, bias=False), nn.Linear(d, mlp, bias=False), nn.Linear(mlp, d, bias=False)

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        y = F.rms_norm(x, (d,), self.norm1.to(x.dtype), 1e-5)
        q, k, v = (f(y).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))

        def turned(z):
            half = z.shape[-1] // 2
            return z * cos + torch.cat([-z[..., half:], z[..., :half]], -1) * sin
        y = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, d))
        y = F.rms_norm(x, (d,), self.norm2.to(x.dtype), 1e-5)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", choices=CONFIGS, default="demo")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--text", type=int, default=96)
    parser.add_argument("--targets", type=int, default=24)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    c, dtype = CONFIGS[a.config], getattr(torch, a.dtype)
    d = c["hidden"]
    clip = Clip(c).to(dtype).requires_grad_(False)
    blocks = nn.ModuleList(Block(d, c["heads"], c["mlp"]) for _ in range(c["layers"])).to(dtype).requires_grad_(False)
    embedding = (torch.randn(c["vocabulary"], d) * .02).to(dtype)
    projector = nn.Sequential(nn.Linear(c["vision"], d), nn.GELU(), nn.Linear(d, d)).to(dtype)
    optimiser = torch.optim.AdamW(projector.parameters(), 1e-3, weight_decay=0)
    pixels = torch.rand(a.batch, 3, c["image"], c["image"]).to(dtype)
    ids = torch.randint(3, c["vocabulary"], (a.batch, a.text))
    rows = (c["image"] // c["patch"]) ** 2
    length = rows + a.text
    width = d // c["heads"]
    angle = torch.arange(length)[:, None] * 10000. ** (-torch.arange(width // 2) * 2 / width)
    cos, sin = torch.cat([angle, angle], -1).cos().to(dtype), torch.cat([angle, angle], -1).sin().to(dtype)

    def step():
        with torch.no_grad():
            features = clip(pixels)
        x = torch.cat([embedding[ids[:, :1]], projector(features), embedding[ids[:, 1:]]], 1)
        for block in blocks:
            x = block(x, cos, sin)
        x = F.rms_norm(x[:, -a.targets - 1:-1], (d,))
        loss = F.cross_entropy((x @ embedding.T).float().flatten(0, 1), ids[:, -a.targets:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(projector.parameters(), 1.)
        optimiser.step()
        optimiser.zero_grad()

    wall = cpu = 1e30
    for i in range(a.repetitions + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        step()
        if i > 0:
            wall, cpu = min(wall, time.perf_counter() - start), min(cpu, time.process_time() - cpu_start)
    print(json.dumps({"torch": torch.__version__, "wall_s": wall, "cpu_s": cpu}))


if __name__ == "__main__":
    main()
