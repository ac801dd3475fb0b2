# The project's commands. `make run` and `make test` are the two that matter.
#
# Everything is built in one configuration, release, so that the demonstration, the tests and the
# benchmarks share what they compile. The first build takes about seven minutes on two cores,
# nearly all of it for the packages that this one depends on.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

DEBIAN_PACKAGES := libsqlite3-dev zlib1g-dev protobuf-compiler python3 python3-venv
SWIFT_FILES = $(shell find Package.swift Sources Tests -name '*.swift' -not -path '*/Generated/*')

.PHONY: help run test sim sim-coupled soak bench build format protos setup promtool

help:
	@echo "make run      four communities of real homes couple their markets; a report at the end"
	@echo "make test     every check: format, Swift, a Python client, fuzzing"
	@echo "make sim      many seeds of the simulated network: make sim SEEDS=10000 NODES=4"
	@echo "make sim-coupled  the same of four grids and the backbone between them"
	@echo "make soak     an hour of mixed load on a simulated chain: make soak MINUTES=60 SOAK=--faults"
	@echo "make bench    the benchmarks of Tests/Benchmarks"
	@echo "make build    the command: .build/release/intertie"
	@echo "make format   formats the Swift sources"
	@echo "make protos   regenerates Sources/Wire/Generated from Protos"
	@echo "make setup    installs the system packages that the build needs"

run: build
	@exec .build/release/intertie demo

test: setup promtool
	@exec Tests/run.sh

# Prometheus' promtool reads metrics and alerts as Prometheus does. It is taken out of Debian's
# package, because installing that would start a server.
promtool:
	@tool=$$PWD/.build/tools/promtool
	if command -v promtool > /dev/null || [ -x "$$tool" ]; then exit 0; fi
	if ! command -v apt-get > /dev/null; then
	  echo "No apt-get here. For the tests please install promtool, a part of Prometheus." >&2
	  exit 0
	fi
	mkdir -p "$$(dirname "$$tool")"
	folder=$$(mktemp -d)
	trap 'rm -rf "$$folder"' EXIT
	cd "$$folder"
	chmod 755 .
	if ! apt-get download -qq prometheus 2> /dev/null; then
	  if [ "$$(id -u)" = 0 ]; then sudo=env; else sudo=sudo; fi
	  $$sudo apt-get update -qq
	  apt-get download -qq prometheus
	fi
	dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xO ./usr/bin/promtool > "$$tool.new"
	chmod 755 "$$tool.new"
	mv "$$tool.new" "$$tool"

# Whole nodes in a simulated network, with faults and Byzantine validators; see Tests/Simulation.
SEEDS ?= 1000
NODES ?= 4
sim: setup
	@swift build -c release --product Simulate
	.build/release/Simulate --validators $(NODES) --seeds $(SEEDS)

# Four grids and the backbone that their nodes keep.
sim-coupled: setup
	@swift build -c release --product Simulate
	.build/release/Simulate --coupled --seeds $(SEEDS)

# An hour at 70 % of what the chain carries takes about ten minutes of one core.
MINUTES ?= 60
SOAK ?=
soak: setup
	@swift build -c release --product Simulate
	.build/release/Simulate --soak --minutes $(MINUTES) --validators $(NODES) $(SOAK)

# Each folder of Tests/Benchmarks is a program of that name.
bench: build
	@for folder in Tests/Benchmarks/*/; do
	  name=$$(basename "$$folder")
	  echo "== $$name"
	  swift build -c release --product "$$name"
	  ".build/release/$$name"
	done

build: setup
	@echo "Building intertie (about seven minutes on two cores the first time) ..."
	swift build -c release --product intertie

format:
	@swift format format --in-place --parallel $(SWIFT_FILES)

protos: setup
	@Protos/generate.sh

# SQLite's and zlib's headers are for the node; protoc and Python are for the tests.
setup:
	@if ! command -v swift > /dev/null; then
	  echo "Swift 6.2 or newer is needed: https://www.swift.org/install" >&2
	  exit 1
	fi
	if ! command -v apt-get > /dev/null; then
	  echo "No apt-get here. If the build misses something, install what Debian calls:" \
	    "$(DEBIAN_PACKAGES)" >&2
	  exit 0
	fi
	missing=
	for package in $(DEBIAN_PACKAGES); do
	  dpkg -s "$$package" 2> /dev/null | grep -q '^Status: .* installed$$' || missing+=" $$package"
	done
	[ -n "$$missing" ] || exit 0
	if [ "$$(id -u)" = 0 ]; then sudo=env; else sudo="sudo env"; fi
	if [ "$$sudo" != env ] && ! command -v sudo > /dev/null; then
	  echo "Please install as root: apt-get install$$missing" >&2
	  exit 1
	fi
	echo "Installing the Debian packages that are missing:$$missing"
	$$sudo apt-get update -qq
	$$sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  $$missing > /dev/null
