# SPDX-License-Identifier: GPL-2.0-or-later
# Builds, installs, runs and tests mbox. Everything built goes to $(O); what the
# virtual machines need and Debian has goes to a cache (selftests/vm/setup).

KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= 6.12
kernel_from := $(origin KERNEL)
BITS ?= 64
KERNELS ?= 6.1 6.12 6.12-rt 6.12-32
DEBUG_KERNELS ?= kasan kcsan
PREFIX ?= /usr/local
O ?= build
override O := $(abspath $(O))
export O KERNEL BITS V

release := $(shell cut -d '"' -f 2 -s $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
module := $(O)/kmod/$(release)
vm := selftests/vm
ifeq ($(V),)
MAKEFLAGS += -s --no-print-directory
endif

.PHONY: all module lib tools install run check check-debug lint model fuzz cost bench \
	bench-compare coverage vm-test vm-shell clean help

all: module lib tools

module:
ifeq ($(release),)
	@echo "mbox: no headers of the running kernel in $(KDIR): the module is not built"
else
	@$(vm)/kmod $(KDIR) $(module)
endif

lib:
	@echo "mbox: building the library and the examples"
	$(MAKE) -C lib O=$(O) all examples

tools: lib
	@echo "mbox: building mboxctl"
	$(MAKE) -C tools/mboxctl O=$(O)

# By hand, since a tree of headers has neither the key nor the System.map that
# modules_install asks for.
install: all
	$(MAKE) -C lib O=$(O) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) install
	$(MAKE) -C tools/mboxctl O=$(O) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) install
ifneq ($(release),)
	install -D -m 644 $(module)/mbox.ko $(DESTDIR)/lib/modules/$(release)/updates/mbox.ko
	$(if $(DESTDIR),,/sbin/depmod $(release))
endif

run:
	@$(vm)/vm demo "$(FILE)"

check:
	@$(vm)/check $(KERNELS)

check-debug:
	@$(vm)/check $(DEBUG_KERNELS)

# Without a guest.
lint:
	@tools/check/lint

# Likewise.
model:
	@selftests/model/run

# Unless KERNEL says another.
ifeq ($(kernel_from),file)
fuzz coverage: KERNEL := kasan
endif

# It takes TIME, SEED and PROGRAM, too.
fuzz:
	@$(vm)/vm fuzz

cost:
	@$(vm)/vm cost $(T)

bench:
	@selftests/bench/run all $(T)

bench-compare:
	@selftests/bench/run compare "$(BASE)" $(T)

coverage:
	@status=0; $(vm)/vm coverage $(T) || status=1; $(vm)/coverage && exit $$status

vm-test:
	@$(vm)/vm test $(T)

vm-shell:
	@$(vm)/vm shell

clean:
	rm -rf $(O)

help:
	@echo 'make           builds the library, mboxctl, the examples, and the module for'
	@echo '               the running kernel (KDIR=), if its headers are there'
	@echo 'make install   installs them, and the man pages (PREFIX=, DESTDIR=)'
	@echo 'make run       streams a file (FILE=) through a mailbox in a virtual machine'
	@echo 'make check     runs all tests in virtual machines (KERNELS="$(KERNELS)")'
	@echo 'make check-debug'
	@echo '               runs them on kernels that are built for finding errors'
	@echo '               (DEBUG_KERNELS="$(DEBUG_KERNELS)")'
	@echo 'make lint      checks the code without running it'
	@echo 'make model     lets spin try all orders of steps of a model of the hand-off'
	@echo 'make fuzz      fuzzes for a minute (TIME=60, SEED=), on the kernel kasan unless KERNEL'
	@echo '               says another; PROGRAM= repeats a program that failed'
	@echo 'make cost      counts the instructions of send and receive, or of large'
	@echo '               messages (T=large; KERNEL=$(KERNEL))'
	@echo 'make bench     measures mbox beside its peers, in instructions and in time: tables,'
	@echo '               JSON and plots (T="SERIES..."; KERNEL=$(KERNEL))'
	@echo 'make bench-compare'
	@echo '               counts instructions with the module of a commit (BASE=) and with ours'
	@echo 'make coverage  runs the tests (T=) and tells which lines of the module none has'
	@echo '               reached; counts add up until a file is compiled anew'
	@echo 'make vm-test   runs some: T="PROGRAM[:TEST]..." (KERNEL=$(KERNEL); BITS=$(BITS), or 32,'
	@echo '               of the programs; TIME= of storm_test, up to 200 s)'
	@echo 'make vm-shell  starts a shell in a virtual machine (KERNEL=$(KERNEL))'
	@echo 'make clean     deletes $(O)'
	@echo
	@echo 'V=1 shows commands and the name of each test. A kernel is 6.1, 6.12, 6.12-rt (with'
	@echo 'PREEMPT_RT) or a directory with the image vmlinuz and the tree for building modules'
	@echo 'build/.'
	@echo 'On Debian 12, run, check, vm-test and vm-shell install what they need; elsewhere'
	@echo 'they say what is missing.'
