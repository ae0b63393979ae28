"""Writes processors.json and beams.json from transformers' own code (made with 4.46.3, torch 2.5.1).

The beam model is a table: the logits behind a sequence are table[length % period][last token], so a test
can repeat it exactly. length_rule "whole_sequence" takes the branch that transformers keeps for callers
of before 4.36.
"""
import json
import pathlib

import torch
import transformers
from transformers.generation import beam_search, logits_process as lp
from transformers.modeling_outputs import CausalLMOutput

HERE = pathlib.Path(__file__).parent
NEG = -1e30  # stands for -infinity in JSON


def listed(t):
    return [NEG if v == float("-inf") else round(v, 6) for v in t.tolist()]


def processor_cases():
    g = torch.Generator().manual_seed(7)
    cases = []
    for i in range(24):
        size = (6, 17, 40)[i % 3]
        logits = torch.randn(size, generator=g) * (1 + i % 4)
        if i % 5 == 1:
            logits = torch.round(logits)  # ties
        if i % 7 == 3:
            logits[torch.randint(0, size, (size // 3,), generator=g)] = float("-inf")
        logits = torch.tensor([float(f"{v:.5f}") for v in logits.tolist()])
        seen = torch.randint(0, size, (5,), generator=g)
        settings = {"repetition_penalty": (1.0, 1.3, 0.7, 1.05)[i % 4], "min_new_tokens": (0, 3)[i % 2],
                    "temperature": (1.0, 0.2, 0.7, 1.7)[i // 2 % 4], "top_k": (0, 1, 3, 5, 50)[i % 5],
                    "top_p": (1.0, 0.9, 0.5, 0.05)[i // 3 % 4]}
        new = i % 6
        chain = lp.LogitsProcessorList()
        if settings["repetition_penalty"] != 1.0:
            chain.append(lp.RepetitionPenaltyLogitsProcessor(settings["repetition_penalty"]))
        if settings["min_new_tokens"] > 0:
            chain.append(lp.MinNewTokensLengthLogitsProcessor(5 - new, settings["min_new_tokens"], [2, 4]))
        if settings["temperature"] != 1.0:
            chain.append(lp.TemperatureLogitsWarper(settings["temperature"]))
        if settings["top_k"]:
            chain.append(lp.TopKLogitsWarper(settings["top_k"]))
        if settings["top_p"] < 1:
            chain.append(lp.TopPLogitsWarper(settings["top_p"]))
        out = chain(seen[None], logits[None].clone())[0]
        cases.append({"settings": settings, "seen": seen.tolist(), "num_new_tokens": new, "end_ids": [2, 4],
                      "logits": listed(logits), "expected": listed(out)})
    return cases


class Table(transformers.PreTrainedModel, transformers.GenerationMixin):
    config_class = transformers.PretrainedConfig
    main_input_name = "input_ids"

    def __init__(self, table):
        super().__init__(transformers.PretrainedConfig(vocab_size=table.shape[-1]))
        self.table = torch.nn.Parameter(table)
        self.generation_config = transformers.GenerationConfig()

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **kwargs):
        rows = self.table[input_ids.shape[1] % self.table.shape[0]][input_ids[:, -1]]
        return CausalLMOutput(logits=rows[:, None, :])


def whole_sequence_rule():
    hypotheses = beam_search.BeamHypotheses
    add, is_done = hypotheses.add, hypotheses.is_done
    hypotheses.add = lambda self, hyp, s, beam_indices=None, generated_len=None: add(self, hyp, s, beam_indices)
    hypotheses.is_done = lambda self, best, cur_len, decoder_prompt_len=0: is_done(self, best, cur_len, 0)
    return lambda: (setattr(hypotheses, "add", add), setattr(hypotheses, "is_done", is_done))


def beam_cases():
    g = torch.Generator().manual_seed(11)
    tables = [torch.round(torch.randn(3, 14, 14, generator=g) * 150) / 100 for _ in range(2)]
    cases = []
    for i in range(80):
        settings = {"num_beams": (2, 3, 4, 5)[i % 4], "length_penalty": (1.0, 0.0, -2.0, 2.0, 0.6)[i % 5],
                    "early_stopping": i % 3 == 0, "max_new_tokens": (12, 7, 1, 20)[i // 4 % 4],
                    "min_new_tokens": (0, 0, 4)[i // 5 % 3], "repetition_penalty": (1.0, 1.2)[i // 7 % 2]}
        settings["min_new_tokens"] = min(settings["min_new_tokens"], settings["max_new_tokens"])
        rule = ("generated", "whole_sequence")[i // 40]
        eos = ([1], [1, 5])[i // 10 % 2]
        prompt = [0] if i % 2 else [0, 3 + i % 9, 7]
        which = i // 3 % 2
        undo = whole_sequence_rule() if rule == "whole_sequence" else lambda: None
        out = Table(tables[which]).generate(
            torch.tensor([prompt]), do_sample=False, eos_token_id=eos, pad_token_id=0, output_scores=True,
            return_dict_in_generate=True, **settings)
        undo()
        cases.append({"settings": settings, "length_rule": rule, "end_ids": eos, "prompt": prompt, "table": which,
                      "tokens": out.sequences[0, len(prompt):].tolist(),
                      "score": round(out.sequences_scores[0].item(), 5)})
    return {"tables": [[[[round(v, 2) for v in r] for r in p] for p in t.tolist()] for t in tables], "cases": cases}


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")).replace('},{', '},\n{') + "\n")


write("processors.json", processor_cases())
write("beams.json", beam_cases())
