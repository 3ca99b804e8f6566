#!/usr/bin/env python3
"""Compiles HLSL files with Microsoft's DXC, as wgpu does on Direct3D 12 where dxcompiler.dll is beside the program.

    check_dxc.py LIBRARY FILES...

LIBRARY is DXC's library for Linux; PyPI's compushady has it. The shader model is in a file's name: NAME.6_0.hlsl. DXC knows
6.0 and later ones, so files of 5.1 are compiled as 6.0. Prints each file that DXC refuses, with its words, and ends with 1.
"""
import ctypes as c
import multiprocessing
import sys
import uuid

CLSID_COMPILER = "73e22d93-e6ce-47f3-b5bf-f0664f39c1b0"
IID_COMPILER3 = "228b4687-5a6a-4730-900c-9702b2203f54"
IID_RESULT = "58346cda-dde7-4497-9461-6f87af5e0659"
UTF8 = 65001
#: Methods before the first own one of an interface. On Linux DXC's IUnknown has a virtual destructor, which takes two places.
INHERITED = 5


class Text(c.Structure):
    _fields_ = [("pointer", c.c_void_p), ("bytes", c.c_size_t), ("encoding", c.c_uint32)]


def method(thing, place, result, *types):
    """Method number `place` of the virtual table of a COM object."""
    table = c.cast(thing, c.POINTER(c.POINTER(c.c_void_p)))[0]
    function = c.CFUNCTYPE(result, c.c_void_p, *types)(table[place])
    return lambda *values: function(thing, *values)


def identity(text):
    return (c.c_ubyte * 16)(*uuid.UUID(text).bytes_le)


def words(blob):
    """The text of a blob."""
    if not blob:
        return ""
    pointer = method(blob, INHERITED, c.c_void_p)()
    length = method(blob, INHERITED + 1, c.c_size_t)()
    return c.string_at(pointer, length).decode(errors="replace").strip("\0 \n") if pointer else ""


def compiled(library, path):
    """Compiles a file; returns DXC's status and words."""
    model = path.rsplit(".", 2)[1]
    model = "6_0" if model == "5_1" else model
    options = ["-E", "main", "-T", f"cs_{model}", "-HV", "2018", "-no-warnings"]
    options += ["-enable-16bit-types"] if model >= "6_2" else []
    with open(path, "rb") as file:
        code = file.read()
    compiler, result, errors = c.c_void_p(), c.c_void_p(), c.c_void_p()
    dxc = c.CDLL(library)
    if dxc.DxcCreateInstance(identity(CLSID_COMPILER), identity(IID_COMPILER3), c.byref(compiler)):
        return -1, "DXC gives no compiler"
    source = Text(c.cast(c.c_char_p(code), c.c_void_p), len(code), UTF8)
    array = (c.c_wchar_p * len(options))(*options)
    pointer = c.c_void_p
    compile_ = method(compiler, INHERITED, c.c_int32, pointer, pointer, c.c_uint32, pointer, pointer, pointer)
    compile_(c.byref(source), array, len(options), None, identity(IID_RESULT), c.byref(result))
    status = c.c_int32()
    method(result, INHERITED, c.c_int32, pointer)(c.byref(status))
    method(result, INHERITED + 2, c.c_int32, pointer)(c.byref(errors))
    return status.value, words(errors)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    library, *paths = sys.argv[1:]
    refused = 0
    # a file a process: one that ends the compiler is named, and the others go on
    with multiprocessing.Pool(maxtasksperchild=50) as pool:
        waiting = [(path, pool.apply_async(compiled, (library, path))) for path in paths]
        for path, answer in waiting:
            try:
                status, said = answer.get(timeout=300)
            except multiprocessing.TimeoutError:
                status, said = -1, "no answer in 300 s"
            if status:
                refused += 1
                print(f"REFUSED {path}: {status & 0xffffffff:#x} {said[:600]}")
    print(f"DXC: {len(paths) - refused} kernels compiled, {refused} refused")
    sys.exit(refused > 0)


if __name__ == "__main__":
    main()
