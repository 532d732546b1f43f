# SPDX-License-Identifier: GPL-2.0-or-later
# Builds, installs, runs and tests mbox. Everything built goes to $(O); what the
# virtual machines need and Debian has goes to a cache (selftests/vm/setup).

KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= 6.12
KERNELS ?= 6.1 6.12
PREFIX ?= /usr/local
O ?= build
override O := $(abspath $(O))
export O KERNEL V

release := $(shell cut -d '"' -f 2 -s $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
module := $(O)/kmod/$(release)
vm := selftests/vm
ifeq ($(V),)
MAKEFLAGS += -s --no-print-directory
endif

# Without a guest.
lint:
	@tools/check/lint

.PHONY: all module lib tools install run check lint cost vm-test vm-shell clean help

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

cost:
	@$(vm)/vm cost $(T)

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
	@echo 'make cost      counts the instructions of send and receive, or of large'
	@echo '               messages (T=large; KERNEL=$(KERNEL))'
	@echo 'make vm-test   runs some: T="PROGRAM[:TEST]..." (KERNEL=$(KERNEL))'
	@echo 'make vm-shell  starts a shell in a virtual machine (KERNEL=$(KERNEL))'
	@echo 'make clean     deletes $(O)'
	@echo
	@echo 'V=1 shows commands and the name of each test. A kernel is 6.1, 6.12 or a'
	@echo 'directory with the image vmlinuz and the tree for building modules build/.'
	@echo 'On Debian 12, run, check, vm-test and vm-shell install what they need; elsewhere'
	@echo 'they say what is missing.'
