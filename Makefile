# SPDX-License-Identifier: GPL-2.0
# scripts/ does what "make help" lists.

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 13

run: ## fetch a kernel, apply, build, boot under UML, and show the driver
	@scripts/run.sh

check: ## patches, tools, all tests under UML, with KASAN and on x86_64
	@scripts/check.sh

kunit: ## the KUnit suites on one machine: TARGET=uml
	@scripts/tests.sh kunit $(TARGET)

selftests: ## the selftests: TARGET=uml; MINUTES=40 PROGRAMS="fuzz race" for long
	@scripts/tests.sh selftests $(TARGET)

matrix: ## both on each row of kunit/targets, or on TARGETS="uml arm64"
	@scripts/tests.sh all $${TARGETS:-$$(awk '!/^#|^bench/ && NF { print $$1 }' kunit/targets)}

coverage: ## lines and branches that KUnit and the selftests reach
	@scripts/coverage.sh

mutants: ## deliberate faults: does a test fail? MUTANTS="mmap.c seal.c"
	@kunit/mutants.sh $(MUTANTS)

bench: ## costs against every peer, in bench/; CHECK=1: the limits; WHAT=clients
	@scripts/bench.sh $(if $(CHECK),check,$(WHAT))

gate: ## the tools of a maintainer, each patch on 7.3 and 7.2; STAGES="doc post"
	@scripts/gate.sh $(STAGES)

tree: ## a git tree of the kernel with the series, to work in
	@scripts/tree.sh

export: ## write patches/ and the mirrored folders from that tree
	@scripts/export.sh

post: ## a git tree for "b4 send", signed by AUTHOR="Name <mail>"
	@scripts/post.sh

dkms: ## the packages and a tarball, in dist/, for kernels from 6.12 on
	@dkms/packages.sh

distro: ## the package on kernels of the distribution; KERNELS="6.12 7.3"
	@dkms/distro.sh $(KERNELS)

.PHONY: help run check kunit selftests matrix coverage mutants bench gate tree export post dkms distro
