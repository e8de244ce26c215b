# Every target works from a fresh checkout on Debian or Ubuntu with Swift 6.3 and make: what is
# missing is installed first, and said.

PREFIX ?= /usr/local
# Shells other than bash leave the ~ of PREFIX=~/.local as it is, and install would make a folder of
# that name.
override PREFIX := $(patsubst ~,$(HOME),$(patsubst ~/%,$(HOME)/%,$(PREFIX)))
# Tests run optimised (a debug build of the SIMD kernels is a hundred times slower) and reach
# internal names, so they have a build folder of their own.
TEST_FLAGS = -c release --scratch-path .build/tests -Xswiftc -enable-testing -Xswiftc -warnings-as-errors
# Refused allocations are part of the tests; XCTest's own runner leaks a few objects.
ASAN_OPTIONS = allocator_may_return_null=1:detect_leaks=0
SANITIZED = --filter 'TesseraCompute|TesseraFormats|TesseraIndexTests.WholeSearch|TesseraIndexTests.ConcurrentSearch|TopK|Encode|LookupScores|AccumulateClusters|Gather'
TESSERA = $$(swift build -c release --show-bin-path)/tessera

.PHONY: demo build test test-import docs study lib wheel install-lib setup setup-test bench bench-peers check-elementary check-kernels check-matrix-units check-neon check-drivers sanitize stress fuzz format lint install clean

demo: build
	@"$(TESSERA)" demo

build: setup
	swift build -c release --product tessera

test: setup-test
	swift build --build-tests $(TEST_FLAGS)
	swift test --skip-build $(TEST_FLAGS)

setup:
	@scripts/install-dependencies.sh

setup-test:
	@scripts/install-dependencies.sh test

# What every device of this machine can do.
bench: build
	"$(TESSERA)" bench

# Side by side with faiss-cpu and others, in one run. MODE: quick, full or curve.
bench-peers: build
	Benchmarks/peers/run.sh $(MODE)

# Every OpenCL kernel under Oclgrind: bounds, races, uninitialised reads.
check-kernels: setup-test
	swift build $(TEST_FLAGS) --product KernelCheck
	scripts/check-kernels.sh "$$(swift build $(TEST_FLAGS) --show-bin-path)/KernelCheck"

# Every elementary function over all Float32 numbers, on every CPU variant: equal bits, errors, speeds.
# Half an hour on two idle cores; EVERY: an odd number, and only every so many are tried.
EVERY = 1
check-elementary: setup
	scripts/check-elementary.sh --every $(EVERY)

# The ARM kernels against the portable ones, under an emulator.
check-neon:
	scripts/check-neon.sh

# The matrix kernels compiled for GPUs that are not here: instructions, registers, spills.
check-matrix-units:
	scripts/check-matrix-units.sh

# The OpenCL backend on drivers besides the system's, after `make test` has built the tests.
check-drivers:
	scripts/check-drivers.sh $(TEST_FLAGS)

# Memory errors in tests of everything that reads bytes from outside.
sanitize: setup-test
	ASAN_OPTIONS=$(ASAN_OPTIONS) swift test --scratch-path .build/address --sanitize=address $(SANITIZED)

# Races: an index searched by eight tasks while two change it, for a minute, and other work that is
# shared, under the thread sanitizer.
stress: setup-test
	scripts/check-races.sh

# Made-up files for every reader of files, SECONDS for each, or RUNS files. TARGETS: all, or some names.
SECONDS = 60
fuzz: setup
	RUNS=$(RUNS) scripts/fuzz.sh $(SECONDS) $(TARGETS)

# A study with its options: make study NAME=digits OPTIONS="mlp --epochs 3".
study:
	swift run -c release Studies $(NAME) $(OPTIONS)

format:
	swift format -i -r Sources Tests Benchmarks/Studies Package.swift

lint:
	swift format lint --strict -r Sources Tests Benchmarks/Studies Package.swift

# With Swift's own libraries inside, the program runs on machines without the toolchain too. What it
# still needs there is OpenBLAS.
install: setup install-lib
	swift build -c release --product tessera --static-swift-stdlib
	install -D -m 755 "$(TESSERA)" "$(DESTDIR)$(PREFIX)/bin/tessera"

# libtessera.so for programs in C, C++, Python and others, with Swift's own libraries inside.
lib: setup
	scripts/build-library.sh .build/library

# The library, its headers, and what CMake and pkg-config read.
install-lib: lib
	scripts/install-library.sh .build/library "$(DESTDIR)$(PREFIX)"

# One wheel for every Python 3.
wheel: lib
	python/build_wheel.py .build/library dist

# What other projects do: the library installed, one job in C, C++, Swift and Python, equal results.
test-import: lib
	scripts/test-import.sh .build/library

# The articles, and the public names of collections, as pages.
docs: setup
	scripts/build-docs.sh .build/documentation

clean:
	rm -rf .build
