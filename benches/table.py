"""The table of benches/compare.sh, from its lines of JSON: medians, ratios pair by pair, peak memory, as Markdown."""
import datetime
import json
import statistics
import sys

rows = [json.loads(line) for line in open(sys.argv[1])]


def rate(figures):
    return figures.get("images_per_second") or figures["images_per_s"]


def name(who, figures):
    version = next((figures[key] for key in ("torch", "burn", "tinygrad") if key in figures), "")
    device = figures.get("device") or figures.get("adapter")
    precision = " bf16" if figures.get("bf16") else ""
    who = who if who.startswith("wgvae") else who.split("-")[0]
    return f"{who} {version}{precision}, {device}".replace("  ", " ").replace(" ,", ",")


def ratio(ours, theirs):
    """Pair by pair; one run of a slow peer is compared with the median of ours."""
    pairs = zip(ours, theirs) if len(ours) == len(theirs) else [(statistics.median(ours), it) for it in theirs]
    all_of = [a / b for a, b in pairs]
    return f"{statistics.median(all_of):.3g} ({min(all_of):.3g} to {max(all_of):.3g})"


print(f"\n{datetime.date.today()}\n")
ours = [who for who in dict.fromkeys(row["who"] for row in rows) if who.startswith("wgvae")]
heads = " | ".join(f"{who} / it, pair by pair" for who in ours)
print(f"| pixels | batch | program | images/s (lowest to highest) | {heads} | peak memory |")
print("|---|---|---|---|---|" + "---|" * len(ours))
for pixels in dict.fromkeys(row["pixels"] for row in rows):
    here = [row for row in rows if row["pixels"] == pixels]
    of = {who: [row["figures"] for row in here if row["who"] == who] for who in dict.fromkeys(r["who"] for r in here)}
    rates_of = {who: [rate(figures) for figures in runs] for who, runs in of.items()}
    for who, runs in of.items():
        rates = rates_of[who]
        ratios = [ratio(rates_of[one], rates) if one in of and one != who else "" for one in ours]
        peak = max((f.get("peak_memory_bytes") or f.get("peak_bytes") or 0) for f in runs) / 2**20
        batch = runs[0].get("batch") or next(iter(of.values()))[0]["batch"]
        spread = f"{statistics.median(rates):.3g} ({min(rates):.3g} to {max(rates):.3g})"
        print(f"| {pixels} | {batch} | {name(who, runs[0])} | {spread} | {' | '.join(ratios)} | {peak:.0f} MiB |")
