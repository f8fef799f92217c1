# SPDX-License-Identifier: GPL-2.0-only
# For the Kbuild of each module that uses shmbuf:
#
#	include /usr/src/shmbuf/driver.mk
#
# It finds the headers and the symbols of shmbuf. The compiler learns by -DCOMPAT_NAME
# that the kernel's headers lack NAME, and compat.h provides it.

shmbuf-dir := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
shmbuf-headers := $(srctree)/include/linux

ifeq ($(shell grep -lw follow_pfnmap_start $(shmbuf-headers)/mm.h),)
$(error shmbuf needs Linux 6.12 or newer)
endif

shmbuf-api := compat_set_desc_from_vma vma_desc_test_any vmf_insert_folio_pmd \
	folio_expected_ref_count folio_contain_hwpoisoned_page atomic_dec_and_wake_up \
	copy_struct_to_user extensible_ioctl_valid \
	dma_buf_invalidate_mappings pcim_p2pdma_provider
shmbuf-found := $(sort $(shell grep -rhow $(patsubst %,-e %,$(shmbuf-api)) $(shmbuf-headers)))
shmbuf-found += $(if $(shell grep -l '(\*mapped)' $(shmbuf-headers)/mm.h),mapped)
shmbuf-lacks := $(filter-out $(shmbuf-found),$(shmbuf-api) mapped)

# Without all of it, a mapping is described by the VMA that ->mmap() gets.
shmbuf-old-mmap := $(filter compat_set_desc_from_vma vma_desc_test_any mapped,$(shmbuf-lacks))

ccflags-y += -I$(shmbuf-dir)/include -I$(shmbuf-dir)/include/uapi \
	-I$(shmbuf-dir)/compat/include -include $(shmbuf-dir)/compat/compat.h \
	$(patsubst %,-DCOMPAT_%,$(shmbuf-lacks)) \
	$(if $(shmbuf-old-mmap),-DCOMPAT_OLD_MMAP -fplan9-extensions) \
	$(if $(shell grep alloc_contig_pages $(objtree)/Module.symvers),,-DCOMPAT_NO_CONTIG_ALLOC)

KBUILD_EXTRA_SYMBOLS += $(wildcard /var/lib/dkms/shmbuf/*/$(KERNELRELEASE)/*/Module.symvers)
