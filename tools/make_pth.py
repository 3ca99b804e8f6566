"""Small files of torch.save for the tests of the .pth reader, and their content as JSON.

    python tools/make_pth.py tests/fixtures/pth

expected.json holds, for each file that can be read, its tensors in order: name, shape and the
bits of the values as float32 (computed here by PyTorch, so that the reader is checked against it).
"""
import argparse, collections, datetime, io, json, pathlib, sys, zipfile

import numpy
import torch
from torch import nn

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(3)
EXPECTED = {}


def bits(tensor):
    flat = tensor.detach().to(torch.float32).contiguous().reshape(-1)
    return [value & 0xFFFFFFFF for value in flat.view(torch.int32).tolist()]


def flatten(value, prefix=""):
    """Tensors in the order of the file, nested names joined by '/'."""
    if isinstance(value, torch.Tensor):
        yield dict(name=prefix, shape=list(value.shape), bits=bits(value))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}/{key}" if prefix else str(key))


def save(name, value, readable=True, **options):
    torch.save(value, OUT / name, **options)
    if readable:
        EXPECTED[name] = list(flatten(value))


special = [0.0, -0.0, 1.0, -2.5, 65504.0, 1e-7, float("inf"), float("-inf"), 1 / 3]
save("f16.pth", {"a": torch.tensor(special).half()})
save("bf16.pth", {"a": torch.tensor(special + [3e38, 1e-40]).bfloat16()})
save("f64.pth", {"a": torch.tensor(special + [1e300, 1 + 2**-24, 1 + 3 * 2**-24], dtype=torch.float64)})
ints = {str(t)[6:]: torch.tensor([0, 1, 2, 100], dtype=t) for t in
        (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)}
save("integers.pth", ints | {"negative": torch.tensor([-5, 7])})
# these have no storage class, so torch writes UntypedStorage and _rebuild_tensor_v3
save("untyped.pth", {str(t)[6:]: torch.tensor([0, 1, 60000], dtype=t) for t in
                     (torch.uint16, torch.uint32, torch.uint64)})
base = torch.arange(24, dtype=torch.float32)
cube = base.view(2, 3, 4)
save("views.pth", {
    "transposed": cube.permute(2, 0, 1), "slice": cube[1, :, 1:3], "strided": base[5::3],
    "expanded": torch.tensor([1.5, 2.5]).expand(3, 2), "scalar": torch.tensor(7.25),
    "empty": torch.empty(0, 4), "whole": base, "last": base[23:],
})
save("ordered.pth", collections.OrderedDict(b=torch.ones(2), a=torch.zeros(1, 2)))
net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
save("state_dict.pth", net.state_dict())
save("parameters.pth", dict(net.named_parameters()))
save("data_parallel.pth", nn.DataParallel(net).state_dict())
save("compiled.pth", {f"_orig_mod.module.{k}": v for k, v in net.state_dict().items()})
for protocol in (3, 4, 5):
    save(f"protocol{protocol}.pth", net.state_dict() | {"x": torch.ones(1)}, pickle_protocol=protocol)
plain = {"none": None, "yes": True, "no": False, "int": -3, "big": 2**63 + 5, "negative": -(2**40), "float": 0.1,
         "text": "größe", "bytes": b"\x00\xe9z", "empty": b"", "list": [1, [2.5, "x"], ()], "tuple": (1, 2, 3, 4),
         "size": torch.Size([2, 3]), "nested": {7: {"deep": [None]}}}
save("plain.pth", plain)
save("plain5.pth", plain, pickle_protocol=5)


def train(optimizer, steps=3):
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(4, 2)).square().sum().backward()
        optimizer.step()


def checkpoint(name, optimizer, steps=3, model="model_state_dict", opt="optimizer_state_dict", wrap="", **more):
    train(optimizer, steps)
    weights = {wrap + k: v for k, v in net.state_dict().items()}
    save(name, {model: weights, opt: optimizer.state_dict(), **more})


adamw = torch.optim.AdamW(net.parameters(), lr=3e-4, betas=(0.8, 0.95), eps=1e-7, weight_decay=0.25)
checkpoint("adamw.pth", adamw, epoch=7, best=0.5, wrap="module.")
weights = [p for n, p in net.named_parameters() if "weight" in n]
biases = [p for n, p in net.named_parameters() if "bias" in n]
checkpoint("groups_reordered.pth", torch.optim.Adam([{"params": weights}, {"params": biases}]))
checkpoint("groups.pth", torch.optim.Adam([{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 1.0}]))
checkpoint("named.pth", torch.optim.Adam(net.named_parameters()), model="state_dict", opt="optimizer")
checkpoint("fresh.pth", torch.optim.Adam(net.parameters()), steps=0)
checkpoint("amsgrad.pth", torch.optim.Adam(net.parameters(), amsgrad=True))
checkpoint("sgd.pth", torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
checkpoint("nadam.pth", torch.optim.NAdam(net.parameters()))
# step in the format of older versions
old = adamw.state_dict()
old["state"] = {k: v | {"step": int(v["step"])} for k, v in old["state"].items()}
save("int_step.pth", {"model": net.state_dict(), "optimizer": old})
old["state"] = {k: v | {"step": 3 + (k == 2)} for k, v in old["state"].items()}
save("two_steps.pth", {"model": net.state_dict(), "optimizer": old})
few = {"state": {k: v for k, v in old["state"].items() if k < 2}, "param_groups": [{**old["param_groups"][0], "params": [0, 1]}]}
save("too_few.pth", {"model": net.state_dict(), "optimizer": few})

torch.serialization.set_crc32_options(False)
save("no_crc.pth", {"a": torch.arange(3.0)})
torch.serialization.set_crc32_options(True)

# the layout before version 1.6, and values that are kept by the name of their class only
for name, protocol in (("legacy.pth", 2), ("legacy1.pth", 1), ("legacy5.pth", 5)):
    save(name, net.state_dict(), _use_new_zipfile_serialization=False, pickle_protocol=protocol)


def objects():
    """Types that training scripts store beside a model, each of which torch.save pickles as an object."""
    return {
        "set": {1, 2}, "frozen": frozenset([3]), "complex": 1 + 2j, "slice": slice(1, 2), "range": range(3), "ellipsis": ...,
        "device": torch.device("cuda", 0), "type": torch.complex64, "array": numpy.arange(6).reshape(2, 3),
        "text": numpy.str_("a"), "namespace": argparse.Namespace(a=1), "path": pathlib.PurePosixPath("/a"),
        "date": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), "bytes": bytearray(b"abc"),
        "deque": collections.deque([1]), "class": collections.OrderedDict, "function": len, "large": 1 << 200,
        "surrogate": "a\udcff", "complex64": torch.tensor([1j]), "negated": torch.tensor([1j]).conj().imag, "sparse": torch.eye(2).to_sparse(),
        "float8": torch.ones(2).to(torch.float8_e4m3fn), "module": nn.Linear(1, 1),
        1.5: 1, (1, 2): 3, None: 1, True: 2, "tied": net.state_dict(),
    }


tagged = torch.ones(2)
tagged.tag = "x"
for protocol in (2, 3, 4, 5):
    name = "objects.pth" if protocol == 2 else f"objects{protocol}.pth"
    numbers = {"epoch": numpy.int64(7), "loss": numpy.float64(0.1), "half": numpy.float16(0.5), "byte": numpy.uint8(200), "yes": numpy.bool_(True)}
    value = {"model": net.state_dict(), "tagged": tagged,
             "counter": collections.Counter("aab"), "default": collections.defaultdict(list, {"a": [1]}), **numbers}
    EXPECTED[name] = list(flatten(value | {"tied": net.state_dict()}))
    torch.save({**value, **objects()}, OUT / name, pickle_protocol=protocol)

# refused
save("module.pth", nn.Linear(2, 2), readable=False)
torch.jit.script(nn.Linear(1, 1)).save(str(OUT / "torchscript.pth"))
save("sparse.pth", {"a": torch.eye(2).to_sparse()}, readable=False)
save("complex.pth", {"a": torch.tensor([1j])}, readable=False)
save("negated.pth", {"a": torch.tensor([1j]).conj().imag}, readable=False)
stored = io.BytesIO()
torch.save({"a": torch.ones(64)}, stored)
with zipfile.ZipFile(stored) as source, zipfile.ZipFile(OUT / "deflated.pth", "w", zipfile.ZIP_DEFLATED) as target:
    for name in source.namelist():
        target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
# the checkpoint, stored by another program
with zipfile.ZipFile(stored) as source, zipfile.ZipFile(OUT / "rezipped.pth", "w", zipfile.ZIP_STORED) as target:
    for name in source.namelist():
        target.writestr(zipfile.ZipInfo(name), source.read(name))
EXPECTED["rezipped.pth"] = list(flatten({"a": torch.ones(64)}))

(OUT / "expected.json").write_text(json.dumps(EXPECTED, separators=(",", ":")).replace('],"', '],\n"') + "\n")
print(torch.__version__, sum(f.stat().st_size for f in OUT.iterdir()), "bytes in", len(list(OUT.iterdir())), "files")
