# SPDX-License-Identifier: GPL-2.0
# Thin verbs: the work is in scripts/. `make` alone explains them.
include kernel.mk

# What it is told by a word or the environment, make exports by itself; this list is for scripts/readme.
KNOBS := KDIR BASE BASE_TARBALL BASE_SOURCES O ARCH ACCEL CASE CONFIG SERIES UPTO PATCH TEST TIMEOUT CPUS MEM JOBS V \
	 DURATION SEEDS START TWICE SHOW KEEP MOST MUTANT AGAIN QUICK GUESTS SEED LIMIT ARCHES BASES FAULT ROUNDS OPS \
	 GUEST_CPU BUSYBOX_SOURCE MODEL_MEM MODEL_DEPTH SILENT_KVM SILENT_TCG
export BASE

.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
help:
	@scripts/help

run: build
	@scripts/boot

build: doctor tree kconfig kernel samples image

stock:
	@$(MAKE) run SERIES=none

retest:
	@scripts/boot

shell: build
	@scripts/boot --shell

gdb: export CONFIG = gdb
gdb: build
	@scripts/boot --gdb

coverage:
	@scripts/doctor run coverage
	@scripts/coverage

list: build
	@scripts/boot --list

doctor:
	@scripts/doctor run

tree kconfig kernel samples image bisect apply clean distclean:
	@scripts/$@

kconfig: tree
kernel: kconfig
samples: kernel
image: samples

check:
	@scripts/doctor run check
	@scripts/check

edit refresh:
	@scripts/doctor run edit
	@scripts/$@

bisect: doctor

test:
	@scripts/test

bench:
	@scripts/bench

bench-determinism:
	@scripts/bench --determinism

bench-cross:
	@scripts/bench-cross

bench-alternatives:
	@scripts/bench-alternatives

model:
	@scripts/model

mutants:
	@scripts/mutants

stress: build
	@scripts/stress

diff-fuzz:
	@scripts/diff-fuzz

trinity:
	@scripts/trinity

consumers: doctor
	@scripts/consumers

consumers-build:
	@scripts/consumers-build

clients:
	@scripts/clients

arches:
	@scripts/arches

bases:
	@scripts/bases

full:
	@scripts/full

report:
	@scripts/report

.PHONY: help run build stock retest shell gdb list doctor tree kconfig kernel samples image \
	check edit refresh bisect apply test bench bench-determinism bench-cross bench-alternatives model \
	stress diff-fuzz trinity coverage mutants consumers consumers-build clients arches bases full report clean \
	distclean
