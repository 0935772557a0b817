#!/usr/bin/env python3
"""Proves that every source file includes only folders of strictly lower layers, as src/LAYERS has them."""
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"
ONLY_KERNELS = "simd"


def read_layers():
    layers = {}
    for line in (SOURCE / "LAYERS").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            layers[words[0]] = int(words[1])
    return layers


def violations(layers):
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix not in (".h", ".cpp", ".inl"):
            continue
        folder = path.relative_to(SOURCE).parts[0]
        if folder not in layers:
            yield f"{path}: folder {folder} is not in src/LAYERS"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match or "/" not in match[1]:
                continue
            target = match[1].split("/")[0]
            if target == folder:
                continue
            if target not in layers:
                yield f"{path}:{number}: {target} is not in src/LAYERS"
            elif target == ONLY_KERNELS and folder != "kernels":
                yield f"{path}:{number}: simd is visible to kernels only"
            elif layers[target] >= layers[folder]:
                yield (f"{path}:{number}: {folder} (layer {layers[folder]}) may not include "
                       f"{target} (layer {layers[target]})")


def main():
    layers = read_layers()
    missing = [d.name for d in SOURCE.iterdir() if d.is_dir() and any(d.iterdir()) and d.name not in layers]
    found = [f"src/{name}: not in src/LAYERS" for name in missing] + list(violations(layers))
    for line in found:
        print(line)
    print(f"layers: {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
