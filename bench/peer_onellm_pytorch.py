#!/usr/bin/env python3
"""Times OneLLM's encoder, universal projection and one LLaMA-7B block in PyTorch 2.5.1 on the CPU, for bench/models/onellm_bench.cpp.

    pip install torch==2.5.1
    python bench/peer_onellm_pytorch.py --threads 2 image audio

The operations of the released code with random weights in float32: 24 blocks of CLIP on every frame, the router over
all rows, 3 x 8 blocks of experts over all rows. Attention is scaled_dot_product_attention (the release asks for its
fused kernels on a GPU). Furthest point sampling, there a CUDA kernel, is a loop over tensors. Prints JSON: the smallest
wall seconds, and CPU seconds of all threads, over the repetitions; `llama_block_R`: one block over R rows.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F

INPUTS = {"image": (1, 3, 224, 224), "video": (15, 3, 224, 224), "depth": (2, 3, 224, 224), "normal": (2, 3, 224, 224),
          "audio": (1, 1, 128, 1024), "points": (1, 8192, 6), "imu": (1, 6, 400), "fmri": (1, 1, 15724)}
W, D = 1024, 4096


def weight(*shape):
    return torch.empty(shape).uniform_(-0.03, 0.03)


def heads(t, count):
    return t.unflatten(-1, (count, -1)).transpose(1, 2)


def attention(q, k, v, count, causal=False):
    out = F.scaled_dot_product_attention(heads(q, count), heads(k, count), heads(v, count), is_causal=causal)
    return out.transpose(1, 2).flatten(2)


def rms_norm(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w


class ClipBlock:
    def __init__(self):
        self.qkv, self.out = (weight(3 * W, W), weight(3 * W)), (weight(W, W), weight(W))
        self.up, self.down = (weight(4 * W, W), weight(4 * W)), (weight(W, 4 * W), weight(W))
        self.one, self.zero = torch.ones(W), torch.zeros(W)

    def __call__(self, x):
        q, k, v = F.linear(F.layer_norm(x, (W,), self.one, self.zero), *self.qkv).chunk(3, -1)
        x = x + F.linear(attention(q, k, v, 16), *self.out)
        h = F.linear(F.layer_norm(x, (W,), self.one, self.zero), *self.up)
        return x + F.linear(h * torch.sigmoid(1.702 * h), *self.down)


class LlamaBlock:
    def __init__(self, width, inner, count):
        self.q, self.k, self.v, self.o = (weight(width, width) for _ in range(4))
        self.w1, self.w3, self.w2 = weight(inner, width), weight(inner, width), weight(width, inner)
        self.one, self.count = torch.ones(width), count

    def __call__(self, x, rotation=None):
        n = rms_norm(x, self.one)
        q, k, v = F.linear(n, self.q), F.linear(n, self.k), F.linear(n, self.v)
        if rotation is not None:
            turn = lambda t: torch.view_as_real(torch.view_as_complex(
                t.view(1, t.size(1), self.count, -1, 2)) * rotation).reshape(t.shape)
            q, k = turn(q), turn(k)
        x = x + F.linear(attention(q, k, v, self.count, causal=rotation is not None), self.o)
        n = rms_norm(x, self.one)
        return x + F.linear(F.silu(F.linear(n, self.w1)) * F.linear(n, self.w3), self.w2)


class OneLlm:
    def __init__(self):
        self.patch, self.audio = weight(W, 3, 14, 14), (weight(W, 1, 16, 16), weight(W))
        self.point, self.imu = (weight(W, 6, 1, 1), weight(W)), weight(W, 6, 10)
        self.fmri = weight(8 * W, 15724), weight(8 * W)
        self.clip = [ClipBlock() for _ in range(24)]
        self.experts = [[LlamaBlock(W, 2816, 16) for _ in range(8)] for _ in range(3)]
        self.resample, self.one, self.zero = weight(1, 30, W), torch.ones(D), torch.zeros(D)
        self.proj1, self.proj2 = (weight(W, W), weight(W)), (weight(D, W), weight(D))
        self.fc1, self.fc2 = (weight(4 * W, W), weight(4 * W)), (weight(3, 4 * W), weight(3))

    def points(self, p):
        q = p[:, :, 3:]
        nearest, index = torch.full((p.size(1),), 1e10), [0]
        for _ in range(1023):
            nearest = torch.minimum(nearest, (q[0] - q[0, index[-1]]).pow(2).sum(-1))
            index.append(int(nearest.argmax()))
        near = torch.cdist(q[:, index], q).topk(32, largest=False).indices[0]
        grouped = p[0, near].permute(2, 1, 0)[None].contiguous()  # [1, 6, 32, 1024]
        return F.conv2d(grouped, *self.point).amax(2).transpose(1, 2)

    def tokens(self, x, name):
        if name == "audio":
            return F.conv2d(x, *self.audio, stride=10).flatten(2).transpose(1, 2)
        if name == "points":
            return self.points(x)
        if name == "imu":
            return F.conv1d(x, self.imu).transpose(1, 2)
        if name == "fmri":
            return F.linear(x, *self.fmri).view(1, W, 8).transpose(1, 2)
        return F.conv2d(x, self.patch, stride=14).flatten(2).transpose(1, 2)

    def norm(self, x):
        return F.layer_norm(x, x.shape[-1:], self.one[:x.size(-1)], self.zero[:x.size(-1)])

    def encode(self, x, name):
        x = self.tokens(x, name)
        x = self.norm(torch.cat((self.resample[:, :1].expand(len(x), -1, -1), x), 1) + 0.01)
        for block in self.clip:
            x = block(x)
        x = self.norm(x).mean(0, keepdim=True)
        z = torch.cat((self.resample, self.norm(F.linear(x, *self.proj1))), 1)
        routing = torch.sigmoid(F.linear(F.gelu(F.linear(z, *self.fc1)), *self.fc2))
        routing = routing / routing.sum(-1, keepdim=True)
        out = 0
        for e, expert in enumerate(self.experts):
            y = z
            for block in expert:
                y = block(y)
            out = out + routing[:, :30, e:e + 1] * y[:, :30]
        return self.norm(F.linear(out, *self.proj2))


def smallest_seconds(repetitions, run):
    taken = []
    for _ in range(repetitions):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return {"wall": min(t[0] for t in taken), "cpu": min(t[1] for t in taken)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modality", nargs="*", choices=[*INPUTS, []], help="all without one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--rows", type=int, default=0, help="time a LLaMA-7B block of so many rows")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seconds = {}
    with torch.inference_mode():
        model = OneLlm()
        model.encode(torch.rand(INPUTS["fmri"]), "fmri")  # touches all weights
        for name in options.modality or INPUTS:
            x = torch.rand(INPUTS[name]) * 2 - 1
            seconds[name] = smallest_seconds(options.repetitions, lambda: model.encode(x, name))
        if options.rows:
            block, x = LlamaBlock(D, 11008, 32), torch.randn(1, options.rows, D)
            angles = torch.rand(1, options.rows, 1, 64)
            rotation = torch.polar(torch.ones_like(angles), angles)
            block(x, rotation)
            seconds[f"llama_block_{options.rows}"] = smallest_seconds(
                5, lambda: block(x, rotation))
    print(json.dumps(seconds, indent=1))


if __name__ == "__main__":
    main()
