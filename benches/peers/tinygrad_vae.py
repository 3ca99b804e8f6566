"""An equivalent VAE in tinygrad on WebGPU (dawn, WGSL), for speed comparisons.

    DEV=WEBGPU python benches/peers/tinygrad_vae.py --size 64 --hidden 64 --latent 128 --batch 16 --steps 4

Needs tinygrad 0.14 and dawn's library: WEBGPU_PATH is its path (the package dawn-python contains it), and
WEBGPU_BACKEND=WGPUBackendType_Vulkan selects the back end. Prints one line of JSON. The pictures are noise, resident on
the device; the first --warmup steps (2: one compiles, one is traced) are not counted; the clock stops after the device
is done. --rounds 5 prints a line when ready, and times the steps five times, each after a line on standard input, so that other programs can run in between.
"""
import argparse
import importlib.metadata
import json
import os
import sys
import time

from tinygrad import Context, Device, Tensor, TinyJit, nn


class Vae:
    """Four strided convolutions, two heads, a linear layer, and four transposed convolutions."""

    def __init__(self, size, hidden, latent):
        widths = [3, hidden, 2 * hidden, 4 * hidden, 8 * hidden]
        pairs = list(zip(widths, widths[1:]))
        self.side, flat = size // 16, widths[4] * (size // 16) ** 2
        self.down = [nn.Conv2d(a, b, 4, 2, 1) for a, b in pairs]
        self.fc_mu, self.fc_logvar = nn.Linear(flat, latent), nn.Linear(flat, latent)
        self.decoder_input = nn.Linear(latent, flat)
        self.up = [nn.ConvTranspose2d(b, a, 4, 2, 1) for a, b in reversed(pairs)]

    def __call__(self, x):
        h = x
        for layer in self.down:
            h = layer(h).relu()
        h = h.flatten(1)
        mu, logvar = self.fc_mu(h), self.fc_logvar(h)
        z = mu + Tensor.randn(*mu.shape) * (0.5 * logvar).exp()
        h = self.decoder_input(z).reshape(x.shape[0], -1, self.side, self.side)
        for layer in self.up[:-1]:
            h = layer(h).relu()
        return self.up[-1](h), mu, logvar


def adapter():
    """The driver's name of the device."""
    from tinygrad.runtime import ops_webgpu as w

    wanted = w.backend_types.get(os.environ.get("WEBGPU_BACKEND", ""), 0)
    options = w.webgpu.WGPURequestAdapterOptions(
        powerPreference=w.webgpu.WGPUPowerPreference_HighPerformance, backendType=wanted)
    w.webgpu.wgpuAdapterGetInfo(w.InstanceRequestAdapter(w.instance, options), info := w.webgpu.WGPUAdapterInfo())
    return f"{w.from_wgpu_str(info.device)}, {w.from_wgpu_str(info.description)}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in dict(size=64, hidden=64, latent=128, batch=16, steps=4, warmup=2, rounds=0).items():
        p.add_argument(f"--{name}", type=int, default=value)
    a = p.parse_args()
    Tensor.manual_seed(0)
    began = time.perf_counter()
    model = Vae(a.size, a.hidden, a.latent)
    optimizer = nn.optim.Adam(nn.state.get_parameters(model), lr=1e-3)
    pools = [Tensor.rand(a.batch, 3, a.size, a.size).contiguous().realize() for _ in range(4)]

    @TinyJit
    def step(x):
        logits, mu, logvar = model(x)
        # the stable form: max(x, 0) - x y + log(1 + exp(-|x|))
        bce = (logits.relu() - logits * x + (1 + (-logits.abs()).exp()).log()).sum()
        kl = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum()
        loss = bce + 0.2 * kl
        optimizer.zero_grad()
        loss.backward()
        return loss.realize(*optimizer.schedule_step())

    def run(steps):
        for i in range(steps):
            loss = step(pools[i % len(pools)])
        Device[Device.DEFAULT].synchronize()
        return loss

    with Context(TRAINING=1):
        loss = run(a.warmup)
        setup, first = time.perf_counter() - began, loss.item()
        if a.rounds:
            print(json.dumps(dict(setup_seconds=setup)), flush=True)
        for _ in range(max(a.rounds, 1)):
            if a.rounds and not sys.stdin.readline():
                break
            begin = time.perf_counter()
            loss = run(a.steps)
            seconds = time.perf_counter() - begin
            peak = [int(l.split()[1]) * 1024 for l in open("/proc/self/status") if l.startswith("VmHWM")]
            print(json.dumps(dict(
                images_per_s=a.batch * a.steps / seconds, seconds=seconds, steps=a.steps, batch=a.batch, size=a.size,
                hidden=a.hidden, latent=a.latent, tinygrad=importlib.metadata.version("tinygrad"),
                device=f"{adapter()} (dawn)", setup_seconds=setup, peak_memory_bytes=peak[0] if peak else None,
                loss_per_image=[first / a.batch, loss.item() / a.batch],
            )), flush=True)


if __name__ == "__main__":
    main()
