#!/usr/bin/env python3
"""Prints the licences of all crates that are linked into the program, with their texts.

    python3 tools/third_party.py [TARGET]

Reads `cargo metadata`, and the files LICENSE, COPYING, NOTICE and UNLICENSE in the sources of the crates. Equal texts are
printed once. A crate without such a file is listed with the licence that it declares and its authors.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

NAMES = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright)", re.IGNORECASE)


def linked(metadata):
    """The packages that the program's normal dependencies reach."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    todo, found = [metadata["resolve"]["root"]], set()
    while todo:
        package = todo.pop()
        if package in found:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                todo.append(dependency["pkg"])
    return found - {metadata["resolve"]["root"]}


def texts(folder):
    """The texts of the licences in a crate's folder, without trailing spaces."""
    files = [path for path in sorted(folder.iterdir()) if NAMES.match(path.name)]
    for path in list(files):
        if path.is_dir():
            files.extend(sorted(path.iterdir()))
    for path in files:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            yield "\n".join(line.rstrip() for line in text.strip().splitlines())


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    if len(sys.argv) > 1:
        command += ["--filter-platform", sys.argv[1]]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    all_linked = sorted((packages[one] for one in linked(metadata)), key=lambda one: (one["name"], one["version"]))

    by_text, without = {}, []
    print(f"wgvae contains {len(all_linked)} crates by others. Their licences follow, then the texts.\n")
    for package in all_linked:
        name = f"{package['name']} {package['version']}"
        licence = package["license"] or f"see {package['license_file']}"
        print(f"{name}: {licence}")
        found = list(texts(Path(package["manifest_path"]).parent))
        for text in found:
            by_text.setdefault(text, []).append(name)
        if not found:
            without.append((name, licence, ", ".join(package["authors"]) or package["repository"] or "its authors"))
    if without:
        print("\nThese come without the text of their licence; the text of the same licence below applies:\n")
        for name, licence, authors in without:
            print(f"{name}: {licence}, by {authors}")
    for text, names in sorted(by_text.items(), key=lambda item: item[1]):
        print("\n" + "=" * 80 + "\n" + ", ".join(dict.fromkeys(names)) + "\n" + "-" * 80 + "\n" + text)


main()
