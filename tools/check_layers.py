#!/usr/bin/env python3
"""Holds every #include of src/, apps/ and include/ against the table of layers in docs/architecture.md, and the table's
own numbers against its rows: what a folder may include stands no higher, and never leads back to it.

Exit status 1 and one line per offence; prints the number of files checked otherwise.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def table():
    """folder -> (set of folders it may include, may it include torch), and folder -> number of its layer, as
    docs/architecture.md states them."""
    layers, heights = {}, {}
    for line in (ROOT / "docs/architecture.md").read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\| (\d+) \| `([a-z]+)/` \|([^|]*)\| (yes|no) \|", line.strip())
        if match:
            names = set(re.findall(r"`([a-z]+/(?:[a-z_]+\.h)?)`", match[3]))
            names = {name.removesuffix("/") for name in names}  # folders, and single headers of others
            layers[match[2]] = (names | {match[2], "base"}, match[4] == "yes")
            heights[match[2]] = int(match[1])
    return layers, heights


def wrong_numbers(layers, heights):
    """What the numbers of the table say that its rows do not. Single headers of other folders are contracts, not layers."""
    below = {folder: {name for name in names if name in layers and name != folder} for folder, (names, _) in layers.items()}
    rows = list(heights)
    for folder, height in heights.items():
        for other in sorted(below[folder]):
            if heights[other] > height:
                yield f"{folder}/ (layer {height}) may include {other}/ (layer {heights[other]})"
        # Within a layer a row includes only rows above it: so none leads back.
        for other in sorted(below[folder]):
            if heights[other] == height and rows.index(other) > rows.index(folder):
                yield f"{folder}/ may include {other}/ of its own layer, which stands below it in the table"
        least = max((heights[other] for other in below[folder]), default=0)
        if height > least + 1 and folder != "base":
            yield f"{folder}/ is in layer {height}, but nothing it may include is above layer {least}"
    if list(heights.values()) != sorted(heights.values()):
        yield "the rows are not in the order of their layers"


def main():
    layers, heights = table()
    offences, checked = [f"docs/architecture.md: {wrong}" for wrong in wrong_numbers(layers, heights)], 0
    folders = {p.name for p in (ROOT / "src").iterdir() if p.is_dir() and any(p.glob("*.cpp"))}
    for missing in sorted(folders - layers.keys()):
        offences.append(f"src/{missing}: not in the table of docs/architecture.md")
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        folder = path.relative_to(ROOT / "src").parts[0]
        if folder not in layers:
            continue
        allowed, torch = layers[folder]
        checked += 1
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}"
            quoted = re.match(r'#include "(([a-z_0-9]+)/[^"]*)"', line)
            if quoted and quoted[2] in layers and allowed.isdisjoint(quoted.groups()):
                offences.append(f"{where}: {folder}/ may not include {quoted[2]}/")
            if re.match(r"#include <(torch|ATen|c10)/", line) and not torch:
                offences.append(f"{where}: {folder}/ may not include libtorch")
            if "#include <torch/torch.h>" in line:
                offences.append(f"{where}: torch/torch.h costs 17 s a file; include torch/types.h or torch/nn/module.h")
    for path in sorted((ROOT / "include").rglob("*.h")):
        checked += 1
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.match(r'#include (<(torch|ATen|c10|nlohmann|fmt)/|"(?!isthmus/))', line):
                offences.append(f"{path.relative_to(ROOT)}:{number}: public headers include only C++ and isthmus/")
    print("\n".join(offences) if offences else f"{checked} files keep to the table of layers")
    return 1 if offences else 0


sys.exit(main())
