#!/usr/bin/env python3
"""Judges wgvae's kernels by the compilers of GPUs that are not there.

    judge.py judge GPU PRESET PLAN DEBUG    one GPU and preset: a line of JSON for each kernel
    judge.py bars BARS RESULTS...           a table, and the bars that are missed; exit 1 if there are any

PLAN is what `wgvae plan --compile` printed, one line of JSON for each kernel in the order of its compilation. DEBUG is what
Mesa's driver printed meanwhile: `RADV_DEBUG=shaderstats,asm`, `IR3_SHADER_DEBUG=cs`, `INTEL_DEBUG=cs`, `NAK_DEBUG=print` or
`AGX_MESA_DEBUG=shaderdb`. run.sh makes both.

Share: multiply-adds as a part of the vector instructions of one turn of the loop along K (of all instructions where a
compiler does not tell them apart). An inner loop counts as often as the tile's depth asks for.
"""
import json
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


ISAS = {
    "amd": Isa(r"^(BB\d+):", r"s_c?branch\w* (BB\d+)", r"^\s*v_(fma|fmac|mac|mad)_", r"^\s*v_"),
    "adreno": Isa(r"^(l\d+):", r"(?:jump|br\w*)\b.*#(l\d+)", r"\bmad\.f", r"^(?!\s*;|l\d+:|@)\S", r"\(rpt(\d)\)"),
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
        kernels.append(Kernel(
            registers=first(r"Num GPRs: (\d+)", part),
            waves=first(r"Max warps/SM: (\d+)", part),
            shared=first(r"SLM size: (\d+)", part),
            spills=sum(first(rf"{name}: (\d+)", part) for name in spills),
        ))
    return kernels


READERS = {"amd": amd, "adreno": adreno, "apple": apple, "intel": intel, "nvidia": nvidia}


def share(isa, asm, wanted):
    """Multiply-adds and counted instructions of one turn of the loop along K, which has `wanted` multiply-adds."""
    at, loops = {}, set()
    for line, text in enumerate(asm):
        if found := re.search(isa.label, text):
            at[found[1]] = line
    for line, text in enumerate(asm):
        if (found := re.search(isa.jump, text)) and at.get(found[1], line + 1) <= line:
            loops.add((at[found[1]], line))

    def count(begin, end):
        inner = [loop for loop in loops if loop != (begin, end) and begin <= loop[0] and loop[1] <= end]
        fma = total = 0
        for line in range(begin, end + 1):
            if any(b <= line <= e for b, e in inner) or not re.search(isa.counted, asm[line]):
                continue
            times = 1 + first(isa.repeat, asm[line])
            total += times
            fma += times * bool(re.search(isa.fma, asm[line]))
        return fma, total

    if not loops:
        return None
    best = max(loops, key=lambda loop: (count(*loop)[0], loop[0] - loop[1]))
    fma, total = count(*best)
    around = [loop for loop in loops if loop != best and loop[0] <= best[0] and best[1] <= loop[1]]
    if fma == 0:
        return None
    if fma >= wanted or not around:
        return fma, total
    turns = max(1, round(wanted / fma))
    outer = count(*min(around, key=lambda loop: loop[1] - loop[0]))
    return fma * turns + outer[0], total * turns + outer[1]


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
            found = share(ISAS[maker], kernel.asm, 16 * blocks[0] * blocks[1] * depth)
            if found:
                result["fma"], result["instructions"] = found
                result["share"] = round(100 * found[0] / max(1, found[1]), 1)
        print(json.dumps(result))
    for line in refused:
        about = {key: line[key] for key in ("kernel", "label", "refused")}
        print(json.dumps({"gpu": gpu, "preset": preset, **about}))


def table(results):
    """One line for each GPU and preset."""
    print(f"{'GPU':24} {'preset':10} kernels refused spilling registers waves  multiply-adds, median (products)")
    for (gpu, preset), lines in results.items():
        products = [line for line in lines if "share" in line]
        shares = sorted(line["share"] for line in products)
        found = f"{shares[0]:.0f} to {shares[-1]:.0f} %, {shares[len(shares) // 2]:.0f} ({len(shares)})" if shares else "-"
        waves = min((line["waves"] for line in products), default=0)
        print(f"{gpu:24} {preset:10} {len(lines):7} {sum('refused' in line for line in lines):7} "
              f"{sum(line.get('spills', 0) > 0 for line in lines):8} "
              f"{max(line.get('registers', 0) for line in lines):9} {waves:5}  {found}")


def misses(gpu, key, limit, line):
    """Whether a kernel misses a bar: `spills` at most, `share` and `waves` of products at least. A kernel that was refused
    misses every bar."""
    if not line["gpu"].startswith(gpu):
        return False
    if "refused" in line:
        return True
    if key == "spills":
        return line["spills"] > limit
    return "share" in line and line[key] < limit


def bars(path, files):
    """Compares results with a file of bars, one a line: beginning of the GPU's name, key, limit."""
    results = {}
    for name in files:
        with open(name) as file:
            for text in file:
                line = json.loads(text)
                results.setdefault((line["gpu"], line["preset"]), []).append(line)
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
        case _:
            sys.exit(__doc__)


main()
