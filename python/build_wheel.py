#!/usr/bin/env python3
"""Makes the wheel of a built library: build_wheel.py LIBRARY OUT.

A wheel is a zip file with a list of what is in it; nothing has to be compiled, so nothing else is needed.
One wheel serves every Python 3, because the package speaks to the library by ctypes.
"""

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
TAG = "py3-none-manylinux_2_34_x86_64"
# The newest of each that systems of manylinux_2_34 are sure to have.
NEWEST = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)}


def require_tag(library: bytes) -> None:
    """Refuses a library that the tag would lie about."""
    if library[18:20] != b"\x3e\x00":
        sys.exit("build_wheel: the library is not of x86-64, which the wheel's name says")
    for name, version in re.findall(rb"\x00(GLIBC|GLIBCXX|CXXABI)_([0-9.]+)(?=\x00)", library):
        numbers = tuple(int(part) for part in version.split(b"."))
        if numbers > NEWEST[name.decode()]:
            sys.exit(f"build_wheel: the library needs {name.decode()}_{version.decode()}, newer than "
                     f"{TAG}")


def main(folder: str, out: str) -> None:
    library = next(Path(folder).glob("libtessera.so.*.*.*"))
    version = library.name.removeprefix("libtessera.so.")
    require_tag(library.read_bytes())
    info = f"tessera-{version}.dist-info"
    files = {
        f"tessera/{path.name}": path.read_bytes()
        for path in sorted((HERE / "tessera").iterdir()) if path.is_file()
    }
    files["tessera/_lib/libtessera.so.0"] = library.read_bytes()
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: tessera\nVersion: {version}\n"
        "Summary: Exact vector search, indexes, k-means and quantizers, the same bits on every device\n"
        "Requires-Python: >=3.10\nRequires-Dist: numpy>=1.23\n"
    ).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: build_wheel\nRoot-Is-Purelib: false\nTag: {TAG}\n").encode()
    files[f"{info}/LICENSE"] = (HERE.parent / "LICENSE").read_bytes()
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()

    wheel = Path(out) / f"tessera-{version}-{TAG}.whl"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            # A fixed time, so that equal contents give equal wheels.
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
            archive.writestr(entry, content)
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
