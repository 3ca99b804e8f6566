"""Compares the data loader with PyTorch's, alternating on equal cores: images per second and peak memory.

    python benches/loader.py make PHOTOS FOLDER.. [--count 2000]    PHOTOS of 4000 x 3000 pixels, enlarged from FOLDER..
    python benches/loader.py compare WGVAE PHOTOS [--size 256] [--rounds 3] [--cache MIB]

Needs torch, torchvision, Pillow and Linux. PyTorch's DataLoader has one worker per core; its pictures are read by Pillow
in draft mode, which decodes a JPEG at the smallest sufficient size, and are resized by Pillow. wgvae is
`wgvae bench --data` with an empty cache ("first pass"), a second time within that run ("second pass", from memory), and in
a second run ("second run", from the cache on disk). Memory is the maximum of the summed proportional set sizes (PSS) of a
program's processes, sampled ten times a second. Files are in the page cache: a first run of each is not counted. On idle
cores only.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from PIL import Image

BATCH = 64
CORES = len(os.sched_getaffinity(0))


def enlarge(job):
    source, target = job
    photo = Image.open(source).convert("RGB")
    photo.resize((4000, 3000), Image.BICUBIC).save(target, quality=90)


def make(args):
    args.photos.mkdir(parents=True, exist_ok=True)
    found = sorted(path for folder in args.folders for path in folder.rglob("*.jpg"))
    jobs = [(found[i * len(found) // args.count], args.photos / f"{i:05}.jpg") for i in range(args.count)]
    with multiprocessing.Pool(CORES) as pool:
        pool.map(enlarge, jobs)


class Photos:
    def __init__(self, folder, size):
        self.files, self.size = sorted(Path(folder).glob("*.jpg")), size

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        from torchvision.transforms.functional import pil_to_tensor

        photo = Image.open(self.files[index])
        photo.draft("RGB", (self.size, self.size))
        return pil_to_tensor(photo.convert("RGB").resize((self.size, self.size), Image.BILINEAR))


def pytorch(args):
    """One pass, in a process of its own; prints images per second."""
    from torch.utils.data import DataLoader

    photos = Photos(args.photos, args.size)
    began = time.perf_counter()
    count = sum(len(batch) for batch in DataLoader(photos, BATCH, shuffle=True, num_workers=CORES))
    print(json.dumps({"first pass": count / (time.perf_counter() - began)}))


def tree_memory(root):
    """Memory in bytes of a process and its descendants."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            pass
    family, total = {root}, 0
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    for pid in family:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
        except (OSError, StopIteration):
            pass
    return total


def run(command, **variables):
    """The JSON that a command prints, with its peak memory in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables})
    peak, over = 0, threading.Event()

    def watch():
        nonlocal peak
        while not over.wait(0.1):
            peak = max(peak, tree_memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{command[0]} failed")
    return json.loads(output.splitlines()[-1]), peak / 2**20


def wgvae(args, count):
    """First pass, second pass, second run, in images per second; the peak of the first run."""
    steps = -(-count // BATCH)
    command = [args.wgvae, "bench", "--json", "--data", args.photos, "--size", args.size, "--batch-size", BATCH, "--steps", steps]
    command += ["--cache", args.cache] if args.cache is not None else []
    with tempfile.TemporaryDirectory() as cache:
        first, peak = run(list(map(str, command)), WGVAE_CACHE_DIR=cache)
        again, _ = run(list(map(str, command)), WGVAE_CACHE_DIR=cache)
    assert first["decoded"] == count and again["from_cache"] == count, (first, again)
    epoch = lambda figures: figures["images"] / figures["images_per_second"]
    return {
        "first pass": count / first["prepare_seconds"],
        "second pass": first["images_per_second"],
        "second run": count / (again["prepare_seconds"] + epoch(again)),
        "peak": peak,
    }


def compare(args):
    count = len(Photos(args.photos, args.size))
    itself = [sys.executable, __file__, "pytorch", str(args.photos), "--size", str(args.size)]
    rows = []
    for round in range(args.rounds + 1):
        ours = wgvae(args, count)
        figures, peak = run(itself)
        theirs = {"first pass": figures["first pass"], "peak": peak}
        print(json.dumps({"counted": round > 0, "wgvae": ours, "pytorch": theirs}), file=sys.stderr)
        if round:
            rows.append((ours, theirs))

    def text(values, digits=0):
        return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"

    print(f"{count} photographs to {args.size} px, batches of {BATCH}, {CORES} cores, {args.rounds} rounds: median (lowest to highest)\n")
    print("| | wgvae | PyTorch's DataLoader | ratio |\n|---|---|---|---|")
    for name in ("first pass", "peak"):
        ours, theirs = [[row[name] for row in side] for side in zip(*rows)]
        unit = "peak memory, MiB" if name == "peak" else f"{name}, images/s"
        print(f"| {unit} | {text(ours)} | {text(theirs)} | {text([a / b for a, b in zip(ours, theirs)], 2)} |")
    for name in ("second pass", "second run"):
        ours = [ours[name] for ours, _ in rows]
        first = [ours["first pass"] for ours, _ in rows]
        print(f"| {name}, images/s | {text(ours)} | | {text([a / b for a, b in zip(ours, first)], 1)} of the first pass |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make")
    command.add_argument("photos", type=Path)
    command.add_argument("folders", type=Path, nargs="+")
    command.add_argument("--count", type=int, default=2000)
    command.set_defaults(run=make)
    command = commands.add_parser("compare")
    command.add_argument("wgvae")
    command.add_argument("photos", type=Path)
    command.add_argument("--size", type=int, default=256)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--cache", type=int, help="MiB of memory for decoded pictures, as wgvae train takes it")
    command.set_defaults(run=compare)
    command = commands.add_parser("pytorch")
    command.add_argument("photos", type=Path)
    command.add_argument("--size", type=int, default=256)
    command.set_defaults(run=pytorch)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
