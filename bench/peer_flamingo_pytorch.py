#!/usr/bin/env python3
"""Times the reference OpenFlamingo (open_flamingo 2.0.1 on PyTorch 2.5.1) on the CPU, for compare_flamingo.py.

    python3 -m venv peer
    peer/bin/pip install torch==2.5.1 torchvision==0.20.1 "numpy<2" transformers==4.33.3 tokenizers==0.13.3 \
        "huggingface_hub<0.18" regex requests pyyaml safetensors tqdm packaging ftfy timm sentencepiece protobuf \
        einops einops-exts
    peer/bin/pip install --no-deps open_clip_torch==2.20.0 open_flamingo==2.0.1
    peer/bin/python bench/peer_flamingo_pytorch.py FOLDER --threads 2 --shots 4

FOLDER is what make_random_flamingo writes with --size 3b. The vision tower is open_clip's, resampler, gated blocks
and their masks are open_flamingo's own; the language model, whose code is published with its weights and not as a
package, is MosaicGPT written again below: the same operations with the "torch" attention of its config.
Everything in float32. Prints JSON: the smallest wall seconds over the repetitions, and the greedy ids.
"""
import argparse
import json
import pathlib
import time
from types import SimpleNamespace

import open_clip
import torch
import torch.nn.functional as F
from open_flamingo import Flamingo
from open_flamingo.src.flamingo_lm import FlamingoLMMixin
from open_flamingo.src.utils import extend_instance
from torch import nn

MEDIA, END_OF_CHUNK = 50278, 50277
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class WeightNorm(nn.LayerNorm):
    """LayerNorm without bias."""

    def __init__(self, width):
        super().__init__(width)
        self.register_parameter("bias", None)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.scale = c.n_heads, (c.d_model // c.n_heads) ** -0.5
        self.Wqkv = nn.Linear(c.d_model, 3 * c.d_model, bias=False)
        self.q_ln, self.k_ln = WeightNorm(c.d_model), WeightNorm(c.d_model)
        self.out_proj = nn.Linear(c.d_model, c.d_model, bias=False)

    def forward(self, x, past, bias):
        query, key, value = self.Wqkv(x).chunk(3, dim=2)
        query, key = self.q_ln(query), self.k_ln(key)
        if past is not None:
            if past:
                key, value = torch.cat((past[0], key), 1), torch.cat((past[1], value), 1)
            past = (key, value)
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(query), split(key).transpose(2, 3), split(value)
        scores = q.matmul(k) * self.scale + bias[..., -k.size(-1):]
        queries, keys = q.size(-2), k.size(-1)
        causal = torch.ones(keys, keys, dtype=torch.bool).tril().logical_not()[-queries:]
        scores = scores.masked_fill(causal, torch.finfo(scores.dtype).min)
        out = scores.softmax(-1).matmul(v).transpose(1, 2).flatten(2)
        return self.out_proj(out), past


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.mlp_up = nn.Linear(c.d_model, c.mlp_ratio * c.d_model, bias=False)
        self.mlp_act = nn.GELU(approximate="none")
        self.mlp_down = nn.Linear(c.mlp_ratio * c.d_model, c.d_model, bias=False)

    def forward(self, x):
        return self.mlp_down(self.mlp_act(self.mlp_up(x)))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.ln_1, self.attn = WeightNorm(c.d_model), Attention(c)
        self.ln_2, self.mlp = WeightNorm(c.d_model), Mlp(c)

    def forward(self, x, past=None, bias=None, attention_mask=None):
        out, past = self.attn(self.ln_1(x), past, bias)
        x = x + out
        return x + self.mlp(self.ln_2(x)), past


class MosaicGPT(nn.Module):
    """mpt-1b-redpajama-200b: ALiBi, layer norm over queries and keys, no bias anywhere, tied head."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(config.vocab_size, config.d_model),
            "blocks": nn.ModuleList(Block(config) for _ in range(config.n_layers)),
            "ln_f": WeightNorm(config.d_model)})

    def forward(self, input_ids, attention_mask=None, past_key_values=None, use_cache=False, labels=None):
        if not hasattr(self, "bias"):
            c = self.config
            slopes = 2.0 ** (-c.alibi_bias_max * torch.arange(1, c.n_heads + 1) / c.n_heads)
            self.bias = torch.arange(1 - c.max_seq_len, 1).view(1, 1, 1, -1) * slopes.view(1, -1, 1, 1)
        x = self.transformer["wte"](input_ids)
        if use_cache and past_key_values is None:
            past_key_values = [()] * self.config.n_layers
        present = []
        for i, block in enumerate(self.transformer["blocks"]):
            past = past_key_values[i] if past_key_values is not None else None
            x, past = block(x, past=past, bias=self.bias, attention_mask=attention_mask)
            present.append(past)
        x = self.transformer["ln_f"](x)
        return SimpleNamespace(logits=F.linear(x, self.transformer["wte"].weight),
                               past_key_values=present if use_cache else None)


def load(folder):
    """The files, mapped, in an open_flamingo Flamingo."""
    read = lambda name: {key: value.float() for key, value in torch.load(
        folder / name, mmap=True, weights_only=True).items()}
    config = SimpleNamespace(**json.loads((folder / "lm/config.json").read_text()))
    vision, language, trained = read("clip/open_clip_pytorch_model.bin"), read("lm/pytorch_model.bin"), read(
        "checkpoint.pt")
    config.vocab_size = len(trained["lang_encoder.transformer.wte.weight"])
    language["transformer.wte.weight"] = language["transformer.wte.weight"][:config.vocab_size]
    with torch.device("meta"):
        clip = open_clip.create_model("ViT-L-14", device="meta", force_quick_gelu=True)
        clip.visual.output_tokens = True
        lm = MosaicGPT(config)
    lm.load_state_dict(language, assign=True)
    extend_instance(lm, FlamingoLMMixin)
    lm.set_decoder_layers_attr_name("transformer.blocks")
    with torch.device("meta"):
        model = Flamingo(clip, lm, END_OF_CHUNK, MEDIA, vis_dim=1024,
                         cross_attn_every_n_layers=config.n_layers // len(
                             [key for key in trained if key.endswith("attn_gate")]))
    trained.update({key.replace("visual.", "vision_encoder.", 1): value for key, value in vision.items()})
    missing, unexpected = model.load_state_dict(trained, strict=False, assign=True)
    assert not unexpected, unexpected
    left = [name for name, value in model.named_parameters() if value.is_meta]
    assert not left, left
    return model.eval()


def prompt(folder, shots, tokens):
    """As `isthmus bench --shots` builds it: grey pictures, each with " a" as often as asked for."""
    vocabulary = json.loads((folder / "lm/tokenizer.json").read_text())["model"]["vocab"]
    ids = ([MEDIA] + [vocabulary["Ġa"]] * tokens) * (shots + 1)
    greys = [(128 + 7 * index) % 256 for index in range(shots + 1)]
    pixels = torch.tensor(greys).float().view(-1, 1, 1, 1).expand(-1, 3, 224, 224) / 255
    pixels = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    return torch.tensor([ids]), pixels.contiguous().view(1, shots + 1, 1, 3, 224, 224)


class Timer:
    """The smallest seconds of each stage."""

    def __init__(self):
        self.smallest = {}

    def __call__(self, stage, run, divide=1):
        start = time.perf_counter()
        result = run()
        seconds = (time.perf_counter() - start) / divide
        self.smallest[stage] = min(seconds, self.smallest.get(stage, seconds))
        return result


def decode(timer, model, ids, past, steps, beams=1):
    """Greedy, `steps` tokens after the first; without `past` the whole sequence runs at every step."""
    new = []
    stage = f"decode_{'cached' if past else 'as_released'}" + ("_3_beams" if beams > 1 else "")
    for _ in range(steps):
        run = lambda: model.lang_encoder(input_ids=ids[:, -1:] if past else ids, attention_mask=None,
                                         past_key_values=past, use_cache=past is not None)
        out = timer(stage, run)
        past = out.past_key_values
        ids = torch.cat((ids, out.logits[:, -1].argmax(-1, keepdim=True)), 1)
        new.append(ids[0, -1].item())
    return new


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--prompt-tokens", type=int, default=17)
    parser.add_argument("--new-tokens", type=int, default=8)
    parser.add_argument("--repetitions", type=int, default=1, help="after one that is not counted")
    parser.add_argument("--stages", default="as_released,cached,beams")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.folder)
    ids, pixels = prompt(options.folder, options.shots, options.prompt_tokens)
    stages, greedy = options.stages.split(","), {}
    with torch.inference_mode():
        for repetition in range(options.repetitions + 1):
            if repetition < 2:
                timer = Timer()
            model.lang_encoder._use_cached_vision_x = True
            timer("encode", lambda: model._encode_vision_x(pixels))
            step = lambda tokens, **more: model.lang_encoder(input_ids=tokens, attention_mask=None, **more)
            out = timer("prefill", lambda: step(ids))
            first = out.logits[:, -1].argmax(-1, keepdim=True)
            grown = torch.cat((ids, first), 1)
            # One step of the whole sequence is as slow as another: a few are enough.
            if "as_released" in stages:
                greedy["as_released"] = [first.item()] + decode(timer, model, grown, None, 3)
            if "cached" in stages:
                past = step(ids, use_cache=True).past_key_values
                greedy["cached"] = [first.item()] + decode(timer, model, grown, past, options.new_tokens - 1)
            if "beams" in stages:
                vision = [layer.vis_x for layer in model.lang_encoder._get_decoder_layers()]
                for layer in model.lang_encoder._get_decoder_layers():
                    layer.condition_vis_x(layer.vis_x.repeat_interleave(3, 0))
                past = step(ids.expand(3, -1), use_cache=True).past_key_values
                decode(timer, model, grown.expand(3, -1), past, 3, beams=3)
                decode(timer, model, grown.expand(3, -1), None, 1, beams=3)
            model.lang_encoder.clear_conditioned_layers()
            model.lang_encoder._use_cached_vision_x = False
    print(json.dumps({"torch": torch.__version__, "threads": options.threads, "prompt_tokens": ids.size(1),
                      "seconds": timer.smallest, "output_ids": greedy}, indent=1))


if __name__ == "__main__":
    main()
