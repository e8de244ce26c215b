# Every target works from a fresh checkout on Debian or Ubuntu with Swift 6.3 and make: what is
# missing is installed first, and said.

PREFIX ?= /usr/local
# Tests run optimised (a debug build of the SIMD kernels is a hundred times slower) and reach
# internal names.
TEST_FLAGS = -c release -Xswiftc -enable-testing -Xswiftc -warnings-as-errors

.PHONY: demo test build setup setup-test bench bench-peers check-kernels sanitize fuzz format lint install clean

demo: setup build
	@scripts/demo.sh

build: setup
	swift build -c release --product tessera

test: setup-test
	swift build --build-tests $(TEST_FLAGS)
	swift test --skip-build $(TEST_FLAGS)

setup:
	@scripts/install-dependencies.sh

setup-test:
	@scripts/install-dependencies.sh test

# This machine's devices.
bench: setup build
	@scripts/bench.sh

# Side by side with faiss-cpu and others, in one run.
bench-peers: setup build
	Benchmarks/peers/run.sh $(MODE)

# Every OpenCL kernel under Oclgrind: bounds, races, uninitialised reads.
check-kernels: setup-test
	scripts/check-kernels.sh

# Address and undefined behaviour, then threads: a build each.
sanitize: setup-test
	scripts/sanitize.sh

format:
	swift format -i -r Sources Tests Package.swift

lint:
	swift format lint --strict -r Sources Tests Package.swift

install: build
	install -D -m 755 "$$(swift build -c release --show-bin-path)/tessera" "$(DESTDIR)$(PREFIX)/bin/tessera"

clean:
	swift package clean
