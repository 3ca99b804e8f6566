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
    return f"{who.split('-')[0]} {version}{precision}, {device}".replace("  ", " ").replace(" ,", ",")


print(f"\n{datetime.date.today()}\n")
print("| pixels | batch | program | images/s (lowest to highest) | wgvae / it, pair by pair | peak memory |")
print("|---|---|---|---|---|---|")
for pixels in dict.fromkeys(row["pixels"] for row in rows):
    here = [row for row in rows if row["pixels"] == pixels]
    of = {who: [row["figures"] for row in here if row["who"] == who] for who in dict.fromkeys(r["who"] for r in here)}
    ours = [rate(figures) for figures in of["wgvae"]]
    for who, runs in of.items():
        rates = [rate(figures) for figures in runs]
        # one run of a slow peer is compared with the median of ours
        pairs = zip(ours, rates) if len(rates) == len(ours) else [(statistics.median(ours), r) for r in rates]
        ratios = [a / b for a, b in pairs]
        ratio = f"{statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})" if who != "wgvae" else ""
        peak = max((f.get("peak_memory_bytes") or f.get("peak_bytes") or 0) for f in runs) / 2**20
        batch = runs[0].get("batch") or of["wgvae"][0]["batch"]
        spread = f"{statistics.median(rates):.3g} ({min(rates):.3g} to {max(rates):.3g})"
        print(f"| {pixels} | {batch} | {name(who, runs[0])} | {spread} | {ratio} | {peak:.0f} MiB |")
