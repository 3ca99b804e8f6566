"""Checks that TensorBoard itself reads a run's event files, and that they agree with the run's metrics.

    python3 -m venv VENV && VENV/bin/pip install tensorboard pillow
    VENV/bin/python tools/check_tensorboard.py RUN [RUN..]

Reads RUN (such as runs/landscapes) by tensorboard's EventAccumulator and lists its tags. Every figure of
metrics.jsonl must be there once, at its step; every epoch must have its pictures, which must be those in RUN/samples,
and its histograms. A killed run may lack events that its next start adds: check it after that.
Exits with 1 if anything is missing, duplicate, or different.
"""
import io
import json
import pathlib
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

PLACES = {"kind", "step", "epoch", "step_in_epoch"}
HISTOGRAMS = {"latents/mu", "latents/kl"}


def figures(run):
    """The numbers of metrics.jsonl by tag, as [(step, value)], and the step at which each epoch ended."""
    scalars, epochs = {}, {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        line = json.loads(line)
        if line["kind"] == "epoch":
            epochs[line["epoch"]] = line["step"]
        if line["kind"] not in ("step", "epoch"):
            continue
        for name, value in line.items():
            if name not in PLACES and isinstance(value, (int, float)) and not isinstance(value, bool):
                scalars.setdefault(f"{line['kind']}/{name}", []).append((line["step"], value))
    return scalars, epochs


def check(run):
    wrong = []
    read = event_accumulator.EventAccumulator(str(run), size_guidance={kind: 0 for kind in ("scalars", "images", "histograms")})
    read.Reload()
    tags = read.Tags()
    files = sorted(path.name for path in run.glob("events.out.tfevents.*"))
    print(f"{run}: {len(files)} event files")
    scalars, epochs = figures(run)
    if set(tags["scalars"]) != set(scalars):
        wrong.append(f"scalars: {sorted(set(tags['scalars']) ^ set(scalars))} are in one of events and metrics only")
    for tag in sorted(tags["scalars"]):
        events = [(event.step, event.value) for event in read.Scalars(tag)]
        print(f"  scalar     {tag:32} {len(events):5} steps, last {events[-1][1]:.6g}")
        known = [(step, float(np.float32(value))) for step, value in scalars.get(tag, [])]
        if events != known:
            first = next((pair for pair in zip(events, known) if pair[0] != pair[1]), (len(events), len(known)))
            wrong.append(f"{tag}: {first[0]} in the events, {first[1]} in the metrics")
    ends = sorted(epochs.values())
    names = {path.name.rsplit("_epoch_")[0] for path in (run / "samples").glob("*.png")}
    if not names or set(tags["images"]) != {f"pictures/{name}" for name in names}:
        wrong.append(f"pictures: {tags['images']} in the events, {sorted(names)} in {run / 'samples'}")
    for tag in sorted(tags["images"]):
        events = read.Images(tag)
        print(f"  picture    {tag:32} {len(events):5} steps, {events[-1].width} x {events[-1].height}")
        if [event.step for event in events] != ends:
            wrong.append(f"{tag}: steps {[event.step for event in events]}, epochs end at {ends}")
        for epoch, event in zip(sorted(epochs), events):
            file = run / "samples" / f"{tag.split('/')[1]}_epoch_{epoch:04}.png"
            ours, theirs = (np.asarray(Image.open(of)) for of in (io.BytesIO(event.encoded_image_string), file))
            if ours.shape != theirs.shape or (ours != theirs).any() or ours.shape[:2] != (event.height, event.width):
                wrong.append(f"{tag} of epoch {epoch} is not {file}")
    if set(tags["histograms"]) != HISTOGRAMS:
        wrong.append(f"histograms: {tags['histograms']}, not {sorted(HISTOGRAMS)}")
    for tag in sorted(tags["histograms"]):
        events = read.Histograms(tag)
        last = events[-1].histogram_value
        print(f"  histogram  {tag:32} {len(events):5} steps, last {last.num:.0f} values from {last.min:.3f} to {last.max:.3f}")
        if [event.step for event in events] != ends:
            wrong.append(f"{tag}: steps {[event.step for event in events]}, epochs end at {ends}")
        for event in events:
            value = event.histogram_value
            if sum(value.bucket) != value.num or len(value.bucket) != len(value.bucket_limit) or value.num < 1:
                wrong.append(f"{tag} of step {event.step}: {value}")
    return wrong


def main():
    runs = [pathlib.Path(run) for run in sys.argv[1:]]
    if not runs:
        sys.exit(__doc__)
    wrong = [f"{run}: {text}" for run in runs for text in check(run)]
    print("\n".join(wrong) or "as the metrics say")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
