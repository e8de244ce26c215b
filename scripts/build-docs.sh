#!/bin/sh
# Builds the documentation of Tessera and TesseraCollections into a folder, where any web server can show it.
# A warning is an error. Usage: build-docs.sh FOLDER
set -eu
cd "$(dirname "$0")/.."
mkdir -p "$1"
output=$(cd "$1" && pwd)
# The package has what builds documentation only where this is set.
TESSERA_DOCS=1
export TESSERA_DOCS
for target in Tessera TesseraCollections; do
  swift package --scratch-path .build/docs --allow-writing-to-directory "$output" \
    generate-documentation --target "$target" --output-path "$output/$target" --warnings-as-errors
done
echo "documentation: $output"
