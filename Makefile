# SPDX-License-Identifier: Apache-2.0
#
# Everything starts here: `make run` and `make test` do all the set-up themselves and can be repeated.

SHELL := /bin/bash
# The toolchain's usual places, for shells that do not have it in their path.
export PATH := $(PATH):/opt/swift/usr/bin:/usr/local/swift/usr/bin:$(HOME)/.local/share/swiftly/bin
SWIFT := swift
BOREALIS := .build/release/borealis
# Without testable imports the tests link the very objects that `build` has made; with them all would be built again.
UNIT := timeout 2400 $(SWIFT) test -c release --disable-testable-imports
SEEDS ?= 1..2000
MINUTES ?= 10
ENGINE ?= postgres

.PHONY: run setup build shim test unit integration sim torture bench bench-proxy bench-api lint format down clean

## Install what is missing, build, start a region with a cluster of each engine, print a psql and a mysql line.
run: setup build
	scripts/run

## Install the Debian packages that are missing; quick when none is.
setup:
	scripts/setup

## The program and the shim, in release mode.
build: shim
	$(SWIFT) build -c release --product borealis
	$(SWIFT) build -c release --product simulate
	$(SWIFT) build -c release --product codecprobe

shim:
	$(MAKE) --no-print-directory -s -C Shim

## All tests.
test: setup build
	$(MAKE) --no-print-directory -s -C Shim check
	$(UNIT)
	scripts/test

## Unit tests and the simulator's short form alone.
unit: build
	$(UNIT)

## Tests with real engines alone.
integration: build
	scripts/test

## The simulator over an inclusive range of seeds: make sim SEEDS=1..100000
sim:
	$(SWIFT) build -c release --product simulate
	.build/release/simulate --seeds $(SEEDS)

## Random kills under load: make torture MINUTES=30
torture: build
	scripts/torture $(MINUTES)

## Stock and Borealis, measured on this machine: make bench ENGINE=mariadb ARGS="--rounds 1"; ARGS=--help tells more.
bench: build
	ENGINE=$(ENGINE) scripts/bench $(ARGS)

lint:
	$(SWIFT) format lint --strict --recursive --parallel Sources Tests Package.swift

format:
	$(SWIFT) format --in-place --recursive --parallel Sources Tests Package.swift

## The proxy against PgBouncer (Debian's package `pgbouncer`), interleaved; --help for what it takes: make bench-proxy ARGS=...
bench-proxy: build
	Benchmarks/bench-proxy $(ARGS)

## How long the AWS API takes to describe fifty clusters.
bench-api: build
	source Tests/Integration/environment && "$$python" Benchmarks/bench-api $(ARGS)

down:
	$(BOREALIS) down

clean:
	$(SWIFT) package clean
	$(MAKE) --no-print-directory -s -C Shim clean || true
	rm -rf out
