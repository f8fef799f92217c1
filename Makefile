# SPDX-License-Identifier: GPL-2.0
# "make help" says what there is; scripts/ does it.

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 16

run: ## kernel tree, series, build, boot under UML, a demonstration to read
	@scripts/run.sh

check: ## all tests: patches, tools, KUnit and selftests under UML
	@scripts/check.sh

qemu: ## KUnit and selftests on x86_64 with huge pages and all debugging
	@scripts/check-qemu.sh

gate: ## every patch builds without a warning, =y and =m, on 7.3 and 7.2
	@scripts/gate.sh

tree: ## a git tree of the kernel with the series applied, to work in
	@scripts/tree.sh

export: ## write patches/ and the mirrored folders from that tree
	@scripts/export.sh

fold: ## take edits made in the mirrored folders into the patches
	@scripts/fold.sh

check-sync: ## do patches/ and the mirrored folders agree?
	@scripts/check-sync.sh

distclean: ## forget the downloaded source, the trees and the builds
	@scripts/distclean.sh

.PHONY: help run check qemu gate tree export fold check-sync distclean
