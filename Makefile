# SPDX-License-Identifier: GPL-2.0
# A plain `make` builds vmdemo.ko here, for the running kernel, KVER=RELEASE, or KVER=DIRECTORY of a kernel's headers; it
# never installs, loads or downloads anything.  Everything else is a script that can be run by itself, but for the command
# vmdemo, which scripts/tool/Makefile builds and installs.

KVER ?= $(shell uname -r)
KDIR ?= $(if $(findstring /,$(KVER)),$(KVER),/lib/modules/$(KVER)/build)
export CMD DEV

.PHONY: all run test test-debug test-long bench rivals policies check install uninstall clean help

all:
	@[ -e $(KDIR)/Makefile ] || { echo "There are no kernel headers in $(KDIR): install linux-headers-RELEASE," \
		"or give KVER= their directory, or one of: $$(ls /lib/modules | tr '\n' ' ')" >&2; exit 2; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# POLICY=mine.c: how often a policy of one's own misses, in the simulator and then in the module.  scripts/policy is the
# first half alone, which needs gcc only.
run:
ifdef POLICY
	@scripts/setup run
	@scripts/policy "$(POLICY)" && echo && scripts/policy --live "$(POLICY)"
else
	@scripts/setup run
	@scripts/run $(CHAPTER) $${CMD:+-- sh -c "$$CMD"}
endif

test:
	@scripts/setup test
	@scripts/test

test-debug:
	@scripts/setup test
	@scripts/test --all -k debug

test-long:
	@scripts/setup test
	@scripts/test --long; long=$$?; scripts/test -k 6.1 -k newest -k 6.18 -k arm64 && exit $$long

# HOST=1 DEV=/dev/... measures this machine itself, as root; ERASE=yes allows writing over that disk.
bench:
	@scripts/setup bench
	@scripts/bench $(if $(filter 1,$(HOST)),--host) $(if $(DEV),--device "$$DEV") $(if $(filter yes,$(ERASE)),--erase)

rivals:
	@scripts/setup bench
	@scripts/rivals

policies:
	@scripts/policies

check:
	@scripts/setup check
	@scripts/check

# The module by DKMS, and the command with what belongs to it. DESTDIR= is for packages: DKMS does not know it, and only the
# command goes there.
install:
	@[ -n "$(DESTDIR)" ] || scripts/dkms install $(KVER)
	@if $(MAKE) -s -C scripts/tool can-build 2>/dev/null; then $(MAKE) -s -C scripts/tool install; \
		else echo "The command vmdemo is left out: without libc6-dev it cannot be built." >&2; fi

uninstall:
	@[ -n "$(DESTDIR)" ] || scripts/dkms uninstall
	@$(MAKE) -s -C scripts/tool uninstall

clean:
	@[ ! -e $(KDIR)/Makefile ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean

help:
	@echo 'make             build vmdemo.ko for the running kernel, KVER=RELEASE, or KVER=DIRECTORY with headers'
	@echo 'make run         a tour of virtual memory, in a virtual machine; CHAPTER=N is one of 9, CMD="..." runs that instead'
	@echo 'make run POLICY=mine.c   how often a replacement policy of yours misses, simulated and in the module'
	@echo 'make test        run all tests in virtual machines, on every supported kernel and on a debug kernel'
	@echo 'make test-debug  all tests on the debug kernel'
	@echo 'make test-long   what takes hours: the data race detector, power cuts, trinity, the soak, all tests on all kernels'
	@echo 'make bench       measure it beside mmap and O_DIRECT in virtual machines; HOST=1 DEV=/dev/... on this machine'
	@echo 'make rivals      demand paging against loading everything, swapping and segmentation, by numbers'
	@echo 'make policies    how often each policy misses, in a simulator: a table and a drawing'
	@echo 'make check       look the sources over: warnings, style, layers, documentation'
	@echo 'make install     install the module through DKMS (as root), for the running kernel or KVER=RELEASE, and the command'
	@echo '                 vmdemo below PREFIX=, /usr/local by default; with DESTDIR= the command only'
	@echo 'make uninstall   remove both (as root)'
	@echo 'make clean       remove what a build left here'
