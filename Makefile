# SPDX-License-Identifier: GPL-2.0
# "make help" says what there is; scripts/ does it.

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 16

run: ## kernel tree, series, build, boot under UML, a demonstration to read
	@scripts/run.sh

check: ## patches, tools, and all tests under UML, with KASAN, and on x86_64
	@scripts/check.sh

kunit: ## the KUnit suites on one machine: make kunit TARGET=uml
	@scripts/tests.sh kunit $(TARGET)

selftests: ## the selftests on one machine: make selftests TARGET=uml
	@scripts/tests.sh selftests $(TARGET)

matrix: ## both on each machine of kunit/targets, or on TARGETS="...", as a table
	@scripts/tests.sh all $${TARGETS:-$$(awk '!/^#|^bench/ && NF { print $$1 }' kunit/targets)}

coverage: ## lines and branches that KUnit reaches, and with the selftests, as HTML
	@scripts/coverage.sh

mutants: ## deliberate faults, one at a time: do the tests catch each?
	@scripts/mutants.sh $(MUTANTS)

soak: ## random operations, races, then all that mm does, for MINUTES=... in all, or from SEED=...
	@MINUTES=$(MINUTES) SEED=$(SEED) OPERATIONS=$(OPERATIONS) ROUNDS=$(ROUNDS) PROGRAMS="$(PROGRAMS)" CPUS=$(CPUS) scripts/soak.sh $(TARGET)

bench: ## what it costs against every peer: tables, JSON and a chart, in bench/; or WHAT=clients
	@scripts/bench.sh $(WHAT)

bench-check: ## the same, and is it as fast as it must be?
	@scripts/bench.sh check

dkms: ## shmbuf-dkms, shmbuf-dev, shmbuf-tools and a tarball, in dist/: the module for kernels from 6.12 on
	@scripts/dkms.sh

distro: ## that package on kernels that the distribution built; or KERNELS="6.12 7.3"
	@scripts/distro.sh $(KERNELS)

gate: ## what a maintainer's machines would find, at every patch, on 7.3 and 7.2
	@scripts/gate.sh $(STAGES)

tree: ## a git tree of the kernel with the series applied, to work in
	@scripts/tree.sh

export: ## write patches/ and the mirrored folders from that tree
	@scripts/export.sh

post: ## the series as mails, signed by AUTHOR="Name <mail>"; sends nothing
	@scripts/post.sh

fold: ## take edits made in the mirrored folders into the patches
	@scripts/fold.sh

check-sync: ## do patches/ and the mirrored folders agree?
	@scripts/check-sync.sh

distclean: ## forget the downloaded source, the trees and the builds
	@scripts/distclean.sh

.PHONY: help run check kunit selftests matrix coverage mutants soak bench bench-check gate dkms distro tree export post fold check-sync distclean
