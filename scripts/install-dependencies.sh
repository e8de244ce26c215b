#!/usr/bin/env bash
# Installs the system packages that are missing: what building and the demo need, and with "test"
# what the tests need as well, with "neon" what compiling for ARM and emulating it needs. Says what it does, and asks for root only if there is something to
# install.
set -euo pipefail

# OpenBLAS is opened at run time, and makes large products a little faster. Collections are kept by SQLite.
packages=(libopenblas0 opencl-headers libsqlite3-dev)
# An OpenCL device where there is no driver for another: PoCL runs kernels on the processor.
if ! compgen -G '/etc/OpenCL/vendors/*.icd' > /dev/null; then
  packages+=(ocl-icd-libopencl1 pocl-opencl-icd)
fi
if [ "${1:-}" = test ]; then
  packages+=(ocl-icd-libopencl1 pocl-opencl-icd oclgrind)
fi
if [ "${1:-}" = neon ]; then
  packages+=(qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
fi

if ! command -v swift > /dev/null; then
  echo "Swift 6.3 is missing: see https://www.swift.org/install" >&2
  exit 1
fi
if ! command -v dpkg-query > /dev/null; then
  echo "Not a Debian or Ubuntu machine: install the OpenCL headers yourself if the build misses them." >&2
  exit 0
fi

missing=()
for package in $(printf '%s\n' "${packages[@]}" | sort -u); do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "Missing: ${missing[*]}. As root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" > /dev/null
