# make demo   everything, from an empty machine to a model that answers across servers
# make test   the same set-up, then the tests
SHELL := /bin/bash
BUILD := build
.PHONY: all setup build model demo test asan tsan fuzz format check-format tidy clean

all: build

setup:
	@scripts/setup.sh

build: setup
	@cmake --preset release $(if $(wildcard $(BUILD)/CMakeCache.txt),> /dev/null,)
	@cmake --build --preset release

model: setup
	@scripts/model.sh > /dev/null

demo: build model
	@$(BUILD)/bin/dilemma demo

test: build model
	@ctest --preset release

# Sanitizer builds: the same tests under ASan+UBSan, or TSan.
asan tsan: model
	@cmake --preset $@ > /dev/null && cmake --build --preset $@ && ctest --preset $@

# libFuzzer under ASan+UBSan on everything we decode, SECONDS each; SEED: the same inputs again.
SECONDS := 60
SEED := 0
fuzz:
	@scripts/setup.sh third_party/apt-packages-fuzz.txt
	@cmake --preset fuzz > /dev/null && cmake --build build-fuzz --target fuzzers && scripts/fuzz.sh build-fuzz $(SECONDS) $(SEED)

SOURCES = $(shell git ls-files '*.cc' '*.h')
format:
	@clang-format -i $(SOURCES)
check-format:
	@clang-format --dry-run -Werror $(SOURCES)
# clang reads no headers that GCC precompiled.
tidy: build
	@mkdir -p $(BUILD)/tidy && sed 's/-include [^ ]*cmake_pch.hxx//' $(BUILD)/compile_commands.json > $(BUILD)/tidy/compile_commands.json
	@clang-tidy -quiet -p $(BUILD)/tidy $(filter %.cc,$(SOURCES))

clean:
	@rm -rf build build-asan build-tsan build-fuzz
