#!/usr/bin/env python3
"""Judges wgvae's kernels by the compilers of GPUs that are not there.

    judge.py judge GPU PRESET PLAN DEBUG    one GPU and preset: a line of JSON for each kernel
    judge.py bars BARS RESULTS...           a table, and the bars that are missed; exit 1 if there are any
    judge.py compare BEFORE AFTER           two folders of results: instructions for each multiply-add, product by product

PLAN is what `wgvae plan --compile` printed, one line of JSON for each kernel in the order of its compilation. DEBUG is what
Mesa's driver printed meanwhile: `RADV_DEBUG=shaderstats,asm`, `IR3_SHADER_DEBUG=cs`, `INTEL_DEBUG=cs`, `NAK_DEBUG=print` or
`AGX_MESA_DEBUG=shaderdb`. run.sh makes both.

Share: multiply-adds as a part of the vector instructions of one turn of the loop along K (of all instructions where a
compiler does not tell them apart). An inner loop counts as often as the tile's depth asks for. Products by cooperative
matrices have a share of matrix instructions instead, in percent.
"""
import json
import pathlib
import re
import sys
from dataclasses import dataclass, field


@dataclass
class Isa:
    """How an assembly text names labels, backward jumps, multiply-adds, and the instructions that count."""
    label: str
    jump: str
    fma: str
    counted: str
    #: instructions that one line stands for
    repeat: str = r"(?!)"
    #: products of cooperative matrices
    matrix: str = r"(?!)"


ISAS = {
    "amd": Isa(r"^(BB\d+):", r"s_c?branch\w* (BB\d+)", r"^\s*v_(fma|fmac|mac|mad)_", r"^\s*v_", matrix=r"^\s*v_s?wmma_"),
    "adreno": Isa(r"^(l\d+):", r"(?:jump|br\w*)\b.*#(l\d+)", r"\bmad\.f", r"^(?!\s*;|l\d+:|@)\S", r"\(rpt(\d)\)"),
    "nvidia": Isa(r"^block(?:\.u)? \d+ (L\d+)", r"\bbra\b.* (L\d+)", r"\bffma\b", r"^ (?!.*\bnop\b)", matrix=r"\bhmma\."),
    "intel": Isa(r"^(L\d+):", r"\bwhile \(\d+\)\s+(L\d+)", r"\bmad \(", r"^(?!\s*//|L\d+:|.*\bsync\.nop)\s*\S"),
}


@dataclass
class Kernel:
    """What a driver said of a kernel."""
    asm: list = field(default_factory=list)
    registers: int = 0
    spills: int = 0
    #: subgroups that fit a unit at a time, or invocations of a workgroup that fit (Apple)
    waves: int = 0
    shared: int = 0


def first(pattern, text, default=0):
    """The sum of the groups of the first match that say numbers."""
    found = re.search(pattern, text)
    return int(found[1]) if found else default


def amd(text):
    kernels = []
    for part in text.split("Compute Shader\ndisasm:\n")[1:]:
        asm, _, stats = part.partition("*** SHADER STATS ***")
        kernels.append(Kernel(
            asm=asm.splitlines(),
            registers=first(r"\nVGPRs: (\d+)", stats),
            spills=first(r"Spilled VGPRs: (\d+)", stats) + first(r"Spilled SGPRs: (\d+)", stats)
            + first(r"Scratch size: (\d+)", stats),
            waves=first(r"Subgroups per SIMD: (\d+)", stats),
            shared=first(r"LDS size: (\d+)", stats),
        ))
    return kernels


def adreno(text):
    kernels, asm = [], []
    for line in text.splitlines():
        line = line.removeprefix("MESA: info: ")
        asm.append(line)
        if found := re.search(r"; CL prog .*?(\d+) half, (\d+) full", line):
            kernels.append(Kernel(asm=asm, registers=int(found[2])))
            asm = []
        elif found := re.search(r"; CL prog .*?(\d+) max_waves", line):
            kernels[-1].waves = int(found[1])
    for kernel in kernels:
        # private memory is where registers are spilled to
        kernel.spills = sum(bool(re.search(r"\b(ldp|stp)\.", line)) for line in kernel.asm)
    return kernels


def apple(text):
    kernels = []
    for line in text.splitlines():
        if "CS shader:" in line:
            spills = re.search(r"(\d+):(\d+) spills:fills", line)
            kernels.append(Kernel(
                registers=first(r"(\d+) gprs", line),
                waves=first(r"(\d+) threads", line) // 32,
                spills=int(spills[1]) + int(spills[2]),
            ))
    return kernels


def intel(text):
    kernels = []
    for part in re.split(r"Native code for (?:unnamed )?compute shader", text)[1:]:
        stats = re.search(r"SIMD(\d+) shader: (\d+) instructions.*?(\d+):(\d+) spills:fills", part)
        if stats:
            spills = int(stats[3]) + int(stats[4])
            kernels.append(Kernel(asm=part.splitlines(), registers=128, spills=spills, waves=int(stats[1])))
    return kernels


def nvidia(text):
    kernels = []
    for part in text.split("Structured NIR for compute shader")[1:]:
        spills = ["Spills to mem", "Fills from mem"]
        # the last form, which is the machine's
        _, _, asm = part.rpartition("NAK IR after ")
        kernels.append(Kernel(
            asm=asm.partition("Stage: compute")[0].splitlines(),
            registers=first(r"Num GPRs: (\d+)", part),
            waves=first(r"Max warps/SM: (\d+)", part),
            shared=first(r"SLM size: (\d+)", part),
            spills=sum(first(rf"{name}: (\d+)", part) for name in spills),
        ))
    return kernels


READERS = {"amd": amd, "adreno": adreno, "apple": apple, "intel": intel, "nvidia": nvidia}


def jumps_back(isa, asm):
    """The loops of an assembly text as sets of lines: from a label to the jump back to it."""
    at = {found[1]: line for line, text in enumerate(asm) if (found := re.search(isa.label, text))}
    ends = {(at[found[1]], line) for line, text in enumerate(asm)
            if (found := re.search(isa.jump, text)) and at.get(found[1], line + 1) <= line}
    return [frozenset(range(begin, end + 1)) for begin, end in ends]


def natural_loops(asm):
    """The loops of NAK's text as sets of lines. It names the successors of a block, and may put a loop's end anywhere."""
    blocks, after, name = {}, {}, None
    for line, text in enumerate(asm):
        if found := re.match(r"block(?:\.u)? (\d+) ", text):
            name = int(found[1])
            blocks[name] = []
        elif found := re.match(r"\} -> \[(.*)\]", text):
            after[name] = [int(number) for number in re.findall(r"\d+", found[1])]
        elif name is not None:
            blocks[name].append(line)
    before = {block: [other for other in after if block in after[other]] for block in blocks}
    loops = []
    for end, header in ((end, header) for end in after for header in after[end]):
        body, waiting = {header, end}, [end]
        while waiting:
            new = [block for block in before[waiting.pop()] if block not in body]
            body.update(new)
            waiting += new
        # without the entry of the kernel: the header is on every way to the end
        if min(blocks) not in body:
            loops.append(frozenset(line for block in body for line in blocks[block]))
    return loops


def share(isa, asm, counts, wanted):
    """Instructions that `counts` matches, and all counted ones, of one turn of the loop along K, which has `wanted` of them."""
    loops = natural_loops(asm) if isa is ISAS["nvidia"] else jumps_back(isa, asm)

    def count(loop):
        inner = frozenset().union(*(other for other in loops if other < loop))
        matched = total = 0
        for line in loop - inner:
            if re.search(isa.counted, asm[line]):
                times = 1 + first(isa.repeat, asm[line])
                total += times
                matched += times * bool(re.search(counts, asm[line]))
        return matched, total

    if not loops:
        return None
    best = max(loops, key=lambda loop: (count(loop)[0], -len(loop)))
    matched, total = count(best)
    around = [loop for loop in loops if best < loop]
    if matched == 0:
        return None
    if matched >= wanted or not around:
        return matched, total
    turns = max(1, round(wanted / matched))
    outer = count(min(around, key=len))
    return matched * turns + outer[0], total * turns + outer[1]


def constant(line, name):
    value = line["constants"].get(name)
    return int(value.rstrip("u")) if value else None


def judge(gpu, preset, plan, debug):
    maker = gpu.split(":")[0]
    with open(plan) as file:
        lines = [json.loads(line) for line in file]
    with open(debug, errors="replace") as file:
        kernels = READERS[maker](file.read())
    refused = [line for line in lines if line["refused"]]
    compiled = [line for line in lines if not line["refused"]]
    if len(kernels) < len(compiled):
        sys.exit(f"{gpu}: the driver told of {len(kernels)} kernels, and {len(compiled)} were compiled")
    # drivers compile some kernels of their own first
    kernels = kernels[len(kernels) - len(compiled):]
    for line, kernel in zip(compiled, kernels):
        result = {
            "gpu": gpu, "preset": preset, "kernel": line["kernel"], "label": line["label"], "registers": kernel.registers,
            "spills": kernel.spills, "waves": kernel.waves, "shared": kernel.shared,
        }
        depth, blocks = constant(line, "TILE_K"), [constant(line, f"BLOCKS_{axis}") for axis in "MN"]
        if depth and all(blocks) and maker in ISAS:
            isa, cooperative = ISAS[maker], constant(line, "SUBGROUPS_M")
            kind, counts = ("matrix", isa.matrix) if cooperative else ("share", isa.fma)
            wanted = blocks[0] * blocks[1] * depth
            found = share(isa, kernel.asm, counts, wanted // 16 if cooperative else 16 * wanted)
            if found:
                result["instructions"] = found[1]
                result[kind] = round(100 * found[0] / max(1, found[1]), 1)
        print(json.dumps(result))
    for line in refused:
        about = {key: line[key] for key in ("kernel", "label", "refused")}
        print(json.dumps({"gpu": gpu, "preset": preset, **about}))


def table(results):
    """One line for each GPU and preset."""
    print(f"{'GPU':24} {'preset':10} kernels refused spilling registers waves  multiply-adds, median (products)")

    def summary(lines, key):
        shares = sorted(line[key] for line in lines if key in line)
        return f"{shares[0]:.0f} to {shares[-1]:.0f} %, {shares[len(shares) // 2]:.0f} ({len(shares)})" if shares else "-"

    for (gpu, preset), lines in results.items():
        products = [line for line in lines if "share" in line or "matrix" in line]
        found = summary(lines, "share")
        if any("matrix" in line for line in lines):
            found += f"; matrix {summary(lines, 'matrix')}"
        waves = min((line["waves"] for line in products), default=0)
        print(f"{gpu:24} {preset:10} {len(lines):7} {sum('refused' in line for line in lines):7} "
              f"{sum(line.get('spills', 0) > 0 for line in lines):8} "
              f"{max(line.get('registers', 0) for line in lines):9} {waves:5}  {found}")


def misses(gpu, key, limit, line):
    """Whether a kernel misses a bar: `spills` at most, `share`, `matrix` and `waves` of products at least. A kernel that was refused
    misses every bar."""
    if not line["gpu"].startswith(gpu):
        return False
    if "refused" in line:
        return True
    if key == "spills":
        return line["spills"] > limit
    return (key if key == "matrix" else "share") in line and line[key] < limit


def read(files):
    """The lines of each GPU and preset."""
    results = {}
    for name in files:
        with open(name) as file:
            for text in file:
                line = json.loads(text)
                results.setdefault((line["gpu"], line["preset"]), []).append(line)
    return results


def compare(before, after):
    """Instructions for each multiply-add after, as a part of those before, for the products of both."""
    sides = [read(sorted(pathlib.Path(folder).glob("*.json"))) for folder in (before, after)]
    print(f"{'GPU':24} {'preset':10} {'share before':>14} {'after':>10}  instructions a multiply-add, after / before")
    for at in sorted(sides[0].keys() & sides[1].keys()):
        old, new = ({line["label"]: line["share"] for line in side[at] if "share" in line} for side in sides)
        both = old.keys() & new.keys()
        ratios = sorted(old[label] / new[label] for label in both)
        if ratios:
            olds, news = (sorted(side[label] for label in both) for side in (old, new))
            print(f"{at[0]:24} {at[1]:10} {olds[0]:7.0f} to {olds[-1]:3.0f} {news[0]:5.0f} to {news[-1]:2.0f}  "
                  f"{ratios[0]:.2f} to {ratios[-1]:.2f}, median {ratios[len(ratios) // 2]:.2f} ({len(ratios)})")


def bars(path, files):
    """Compares results with a file of bars, one a line: beginning of the GPU's name, key, limit."""
    results = read(files)
    table(results)
    missed = 0
    with open(path) as file:
        for text in file:
            words = text.split("#")[0].split()
            if not words:
                continue
            gpu, key, limit = words
            for line in (line for lines in results.values() for line in lines if misses(gpu, key, float(limit), line)):
                missed += 1
                value = line.get(key, "refused")
                print(f"MISSED {line['gpu']} {line['preset']}: {line['label']} ({line['kernel']}): {key} {value}, bar {limit}")
    print(f"{missed} missed" if missed else "every bar is held")
    sys.exit(missed > 0)


def main():
    match sys.argv[1:]:
        case ["judge", gpu, preset, plan, debug]:
            judge(gpu, preset, plan, debug)
        case ["bars", path, *files] if files:
            bars(path, files)
        case ["compare", before, after]:
            compare(before, after)
        case _:
            sys.exit(__doc__)


main()
