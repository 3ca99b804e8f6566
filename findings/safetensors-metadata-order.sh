#!/usr/bin/env bash
# safetensors 0.8.0 writes other bytes each time for the same tensors and the same metadata of more than one entry.
#
# Expected: save is a function of its arguments: Python's dictionaries keep their order, and tensors are sorted by the library.
# Seen: the entries of __metadata__ come in the order of a hash map with a random seed, so that equal checkpoints differ in
# their checksum, also within one process. Without metadata, or with one entry, the bytes are equal.
#
# Needs python3 of version 3.11 or newer with pip. Fails if that changes.
set -euo pipefail
python3 -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "needs python3 of version 3.11 or newer with pip" >&2
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PYTHONPATH=$work/packages

python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target packages --no-deps \
    safetensors==0.8.0 numpy==2.4.6
cat >order.py <<'PYTHON'
import hashlib
import sys

import numpy
from safetensors.numpy import save

tensors = {"weight": numpy.ones((2, 2), "f4"), "bias": numpy.zeros(2, "f4")}
distinct = {}
for count in (0, 1, 2, 4):
    metadata = dict(list({"format": "pt", "step": "1000", "epoch": "3", "seed": "0"}.items())[:count]) or None
    distinct[count] = len({hashlib.sha256(save(tensors, metadata)).hexdigest() for _ in range(100)})
    print(f"{count} entries of metadata: {distinct[count]} different files in 100 calls")
sys.exit(not (distinct[0] == distinct[1] == 1 and distinct[2] == 2 and distinct[4] > 2))
PYTHON
python3 order.py || { echo "this has changed: see above" >&2; exit 1; }
