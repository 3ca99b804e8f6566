"""Measures `wgvae watch`: beside TensorBoard, the time until the same curves are drawn, in the same headless Chromium; and
what the page of `train --watch` costs a training.

    pip install tensorboard websocket-client
    python tools/watch_speed.py make FOLDER [RUNS] [STEPS]     runs with metrics and with TensorBoard's event files
    python tools/watch_speed.py time FOLDER WGVAE [ROUNDS]     WGVAE: the program; rounds alternate between the two
    python tools/watch_speed.py cost FOLDER WGVAE [PAIRS]      trainings without and with --watch and its page open

`make` writes event files with TensorBoard's own writer. `time` starts a server, waits until it answers, opens its page in a
new tab, and waits until the curves of all runs are drawn: for wgvae its charts have a line for each run, for TensorBoard
the cards of the first page have their data. It also prints the first paint.
"""

import json
import math
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PER_EPOCH = 500


def step_line(rng, step, speed):
    loss = 8000 + 9000 * math.exp(-step / speed) + rng.gauss(0, 120)
    kl = 40 * (1 - math.exp(-step / speed)) + rng.gauss(0, 1)
    return {
        "kind": "step", "step": step, "epoch": (step - 1) // PER_EPOCH + 1, "step_in_epoch": (step - 1) % PER_EPOCH + 1,
        "loss": loss, "nll": loss - 0.2 * kl, "bce": loss - 0.2 * kl, "kl": kl,
        "images_per_second": 52 + rng.gauss(0, 2), "lr": 1e-3, "beta": 0.2,
    }


def epoch_line(rng, step, line):
    epoch, loss = step // PER_EPOCH, line["loss"]
    return {
        "kind": "epoch", "step": step, "epoch": epoch, "train_loss": loss, "train_nll": loss - 8, "train_kl": line["kl"],
        "validation_loss": loss + 50 + rng.gauss(0, 5), "validation_nll": loss + 42, "validation_kl": line["kl"],
        "images_per_second": 52.0, "seconds": 153.0, "best": False,
    }


def make(folder, runs, steps):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for number in range(runs):
        rng, run = random.Random(number), folder / f"run-{number:02}"
        run.mkdir(parents=True, exist_ok=True)
        (run / "config.toml").write_text(f'# wgvae 0.1.0: every setting of this run\nbatch-size = 16\nlr = {1e-4 * (number + 1)}\n')
        writer = EventFileWriter(str(run))
        with open(run / "metrics.jsonl", "w") as file:
            for step in range(1, steps + 1):
                lines = [step_line(rng, step, 800 + 60 * number)]
                if step % PER_EPOCH == 0:
                    lines.append(epoch_line(rng, step, lines[0]))
                for line in lines:
                    file.write(json.dumps(line, separators=(",", ":")) + "\n")
                    values = [
                        Summary.Value(tag=f"{line['kind']}/{name}", simple_value=value)
                        for name, value in line.items()
                        if isinstance(value, float)
                    ]
                    writer.add_event(Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=values)))
        writer.close()
    print(f"{runs} runs of {steps} steps in {folder}")


class Browser:
    def __init__(self):
        import websocket

        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        flags = ["--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-port=0", "--remote-allow-origins=*"]
        self.child = subprocess.Popen(
            ["chromium", *flags, f"--user-data-dir={self.profile.name}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        port_file = Path(self.profile.name) / "DevToolsActivePort"
        while not port_file.exists() or "\n" not in port_file.read_text():
            time.sleep(0.05)
        port, path = port_file.read_text().split("\n")[:2]
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}")
        self.last = 0

    def call(self, method, session=None, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        self.socket.send(json.dumps(message))
        while True:
            told = json.loads(self.socket.recv())
            if told.get("id") == self.last:
                return told.get("result", told)

    def tab(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Emulation.setDeviceMetricsOverride", session, width=1280, height=900, deviceScaleFactor=1, mobile=False)
        return target, session

    def eval(self, session, expression):
        answer = self.call("Runtime.evaluate", session, expression=expression, returnByValue=True, awaitPromise=True)
        return answer.get("result", {}).get("value")

    def close(self):
        self.call("Browser.close")
        self.child.wait()


PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
WGVAE = """(async () => { const { ready, state } = await import('./watch.js'); await ready;
    const { store } = await import('./store.js');
    return !store.more && [...document.querySelectorAll('.plot')].filter((plot) => plot.querySelector('canvas')).length >= 4; })()"""
# a worker draws its curves, so this is the time when it has the data of its first cards
TENSORBOARD = """(() => { const cards = document.querySelectorAll('card-view line-chart canvas');
    const asked = performance.getEntriesByType('resource').filter((e) => e.name.includes('timeSeries'));
    return cards.length >= 4 && asked.length >= 4 && asked.every((e) => e.responseEnd > 0) &&
        !document.querySelector('card-view mat-spinner'); })()"""


def timed(browser, url, condition):
    target, session = browser.tab()
    began = time.perf_counter()
    browser.call("Page.navigate", session, url=url)
    while not browser.eval(session, condition):
        if time.perf_counter() - began > 300:
            raise SystemExit(f"{url}: no curves after 5 minutes")
        time.sleep(0.01)
    seconds, paint = time.perf_counter() - began, browser.eval(session, PAINT)
    browser.call("Target.closeTarget", targetId=target)
    return seconds, paint


def answers(url):
    while True:
        try:
            return urllib.request.urlopen(url).read()
        except OSError:
            time.sleep(0.02)


def of_wgvae(browser, folder, program):
    began = time.perf_counter()
    child = subprocess.Popen([program, "watch", folder, "--port", "0"], stdout=subprocess.PIPE, text=True)
    url = child.stdout.readline().split("  (")[0]
    answers(url)
    ready = time.perf_counter() - began
    try:
        return ready, *timed(browser, url, WGVAE)
    finally:
        child.kill()
        child.wait()


def of_tensorboard(browser, folder):
    began = time.perf_counter()
    command = [str(Path(sys.executable).with_name("tensorboard")), "--logdir", str(folder), "--port", "6123"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = "http://localhost:6123/"
    answers(url)
    ready = time.perf_counter() - began
    try:
        return ready, *timed(browser, url, TENSORBOARD)
    finally:
        child.kill()
        child.wait()


def trained(program, folder, name, watched):
    """Images per second of the epochs after the first, which compiles the kernels."""
    sizes = ["--landscapes", "1200", "--epochs", "4", "--prior", "normal", "--name", name, "--no-tune"]
    more = ["--watch", "--port", "0"] if watched else []
    command = [program, "train", *sizes, *more]
    browser = Browser() if watched else None
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in child.stdout:
        if watched and line.startswith("page "):
            _, session = browser.tab()
            browser.call("Page.navigate", session, url=line.split()[1])
    child.wait()
    if browser:
        browser.close()
    lines = [json.loads(line) for line in (folder / "runs" / name / "metrics.jsonl").read_text().splitlines()]
    speeds = [line["images_per_second"] for line in lines if line["kind"] == "epoch" and line["epoch"] > 1]
    return sum(speeds) / len(speeds)


def cost(folder, program, pairs):
    folder.mkdir(parents=True, exist_ok=True)
    trained(program, folder, f"warm-{time.time():.0f}", False)
    changes = []
    for pair in range(pairs):
        speeds = {}
        for watched in (False, True) if pair % 2 == 0 else (True, False):
            speeds[watched] = trained(program, folder, f"{time.time():.0f}", watched)
        changes.append(speeds[True] / speeds[False] - 1)
        print(f"without {speeds[False]:.1f}, with {speeds[True]:.1f} images/s: {100 * changes[-1]:+.2f} %", flush=True)
    changes.sort()
    print(f"median of {pairs} pairs: {100 * changes[len(changes) // 2]:+.2f} %")


def main():
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "cost":
        return cost(folder, Path(sys.argv[3]).resolve(), int((sys.argv[4:] or ["5"])[0]))
    if what == "make":
        runs, steps = (int(number) for number in (sys.argv[3:] + ["50", "10000"][len(sys.argv) - 3 :]))
        return make(folder, runs, steps)
    program, rounds = sys.argv[3], int((sys.argv[4:] or ["5"])[0])
    for _ in range(rounds):
        for name, measure in (("wgvae", lambda b: of_wgvae(b, folder, program)), ("tensorboard", lambda b: of_tensorboard(b, folder))):
            browser = Browser()
            ready, seconds, paint = measure(browser)
            browser.close()
            print(f"{name:12} server {ready:6.2f} s, first paint {paint:7.0f} ms, curves {seconds:6.2f} s", flush=True)


main()
