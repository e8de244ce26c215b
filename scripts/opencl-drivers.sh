#!/usr/bin/env bash
# Drivers besides the system's, in a folder of their own: nothing that is installed on the machine
# changes, and no program sees them that is not started through this script.
#
#   opencl-drivers.sh install DRIVER           installs the driver if it is missing
#   opencl-drivers.sh run DRIVER COMMAND ...   runs a command that sees this driver alone, or
#                                              several, with commas between them
#
# DRIVER
#   pocl      the system's own, as `install-dependencies.sh test` installs it
#   intel     Intel's runtime for CPUs, from PyPI: runs both kernel bodies, sub-groups, and products
#             of packed bytes; 900 MB. Its licence is Intel's.
#   rusticl   Mesa's rusticl on llvmpipe, from Debian: no Float64, 32 KiB of local memory, and a
#             loop that ends after 65,535 rounds; 200 MB. About 100 times slower than the others.
#   clover    Mesa's older driver, of the same package: a platform without any device.
#
# Exit status 75 says that a driver cannot be had here, and the last line why.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)/.build/drivers

unavailable() {
  echo "opencl-drivers: $1" >&2
  exit 75
}

# Makes an .icd folder that names one library.
register() {
  mkdir -p "$root/$1/vendors"
  echo "$2" > "$root/$1/vendors/$1.icd"
}

install_intel() {
  [ "$(uname -m)" = x86_64 ] || unavailable "Intel's runtime is for x86-64 only"
  python3 -m venv "$root/intel" || unavailable "python3 cannot make a virtual environment"
  timeout 300 "$root/intel/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check \
    intel-opencl-rt intel-cmplr-lib-rt tbb || unavailable "PyPI does not give Intel's runtime"
  # A loader of its own would hide the system's.
  rm -f "$root"/intel/lib/libOpenCL.so*
  local library
  library=$(find "$root/intel/lib" -maxdepth 1 -name 'libintelocl.so' -print -quit)
  [ -n "$library" ] || unavailable "Intel's runtime has no library libintelocl.so"
  register intel "$library"
}

install_mesa() {
  command -v apt-get > /dev/null && command -v dpkg > /dev/null ||
    unavailable "rusticl is taken from packages of Debian or Ubuntu"
  mkdir -p "$root/mesa"
  # Unpacked and not installed. What these need in turn is either installed or comes along.
  (
    cd "$root/mesa"
    packages=(mesa-opencl-icd)
    for package in $(apt-cache depends mesa-opencl-icd | sed -n 's/^  Depends: \(lib.*[0-9]\)$/\1/p'); do
      state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null || true)
      [ "$state" = installed ] || packages+=("$package")
    done
    timeout 200 apt-get download -qq "${packages[@]}" 2> errors ||
      unavailable "apt-get does not give ${packages[*]}: $(tail -n 1 errors)"
    for package in *.deb; do dpkg -x "$package" .; done
    rm -f *.deb
  )
  local libraries rusticl
  libraries=$(dirname "$(find "$root/mesa/usr/lib" -name 'libRusticlOpenCL.so.1' -print -quit)")
  rusticl=$(readlink -f "$libraries/libRusticlOpenCL.so.1")
  [ -f "$rusticl" ] || unavailable "this release's mesa-opencl-icd has no rusticl"
  if LD_LIBRARY_PATH=$libraries ldd "$rusticl" | grep 'not found'; then
    unavailable "rusticl needs libraries that are not here"
  fi
  # The library's own files are looked for in one place, which is written into it. It is given one
  # that needs no root: a link in /tmp, with a name no longer than the one that was there.
  local bits old new
  for bits in 64 32; do
    old=/usr/lib/clc/spirv${bits/32/}-mesa3d-.spv
    new=$(links)/$bits.spv
    while [ ${#new} -lt ${#old} ]; do new=/$new; done
    [ ${#new} -eq ${#old} ] || unavailable "$new is too long a name"
    LC_ALL=C sed -i "s|$old|$new|" "$rusticl"
  done
  echo "$libraries" > "$root/mesa/libraries"
  register rusticl "$libraries/libRusticlOpenCL.so.1"
  register clover "$libraries/libMesaOpenCL.so.1"
}

links() { echo "/tmp/rusticl-$(id -u)"; }

install_driver() {
  case $1 in
    pocl) compgen -G '/etc/OpenCL/vendors/*pocl*.icd' > /dev/null || unavailable "PoCL is not installed" ;;
    intel) [ -f "$root/intel/vendors/intel.icd" ] || install_intel ;;
    rusticl | clover) [ -f "$root/rusticl/vendors/rusticl.icd" ] || install_mesa ;;
    *)
      echo "opencl-drivers: there is no driver $1; there are pocl, intel, rusticl and clover" >&2
      exit 64
      ;;
  esac
}

# Sets what a driver needs of the environment.
prepare() {
  local driver=$1 libraries
  case $driver in
    pocl)
      mkdir -p "$root/pocl/vendors"
      cp /etc/OpenCL/vendors/*pocl*.icd "$root/pocl/vendors"
      ;;
    intel) export LD_LIBRARY_PATH=$root/intel/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ;;
    rusticl | clover)
      libraries=$(cat "$root/mesa/libraries")
      mkdir -p -m 700 "$(links)"
      [ -O "$(links)" ] || unavailable "$(links) belongs to somebody else"
      ln -sfn "$root/mesa/usr/lib/clc/spirv64-mesa3d-.spv" "$(links)/64.spv"
      ln -sfn "$root/mesa/usr/lib/clc/spirv-mesa3d-.spv" "$(links)/32.spv"
      export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
      export GALLIUM_PIPE_SEARCH_DIR=$libraries/gallium-pipe RUSTICL_ENABLE=llvmpipe
      export MESA_SHADER_CACHE_DIR=$root/mesa/cache
      ;;
  esac
}

case ${1:-} in
  install) install_driver "${2:?which driver}" ;;
  run)
    drivers=${2:?which driver}
    shift 2
    export OCL_ICD_VENDORS=$root/vendors-$drivers
    mkdir -p "$OCL_ICD_VENDORS"
    for driver in ${drivers//,/ }; do
      install_driver "$driver"
      prepare "$driver"
      cp "$root/$driver/vendors"/*.icd "$OCL_ICD_VENDORS"
    done
    exec "$@"
    ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 64
    ;;
esac
