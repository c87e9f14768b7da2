# Installs what `npm run setup` built: `make install` as root, PREFIX and DESTDIR as usual.
# Everything that runs on the host or boots a guest is in one directory, to which only root can write.

PREFIX ?= /usr/local
DESTDIR ?=

built := build/libexec/kumite
# Manual pages and completion, at the paths below `share` that they are installed to.
shared := $(patsubst build/share/%,%,$(wildcard build/share/man/*/* build/share/*/completions/* \
  build/share/*/site-functions/* build/share/*/vendor_completions.d/*))
programs := kumite agent
data := shim.cjs shim.js shim.cache cache.mjs library.mjs vmlinux initrd.img initrd-full.img install.json
# Debian's kernel, next to a tuned one.
optional := vmlinux-debian initrd-debian.img initrd-debian-full.img
notices := THIRD-PARTY-NOTICES.md

bindir := $(DESTDIR)$(PREFIX)/bin
libexecdir := $(DESTDIR)$(PREFIX)/libexec/kumite
sharedir := $(DESTDIR)$(PREFIX)/share

# Root owns what root installs; anyone else is packaging into DESTDIR.
owner := $(if $(filter 0,$(shell id -u)),-o root -g root)

.PHONY: all install uninstall clean

all:
	@tools/setup.sh

# A running sandbox keeps its files: install(1) unlinks the old one instead of writing into it.
install:
	@for file in $(programs) $(data); do \
	  test -f $(built)/$$file || { echo "$(built)/$$file is missing: run npm run setup first" >&2; exit 1; }; \
	done
	install -d $(owner) -m 0755 $(bindir) $(libexecdir)
	install $(owner) -m 0755 $(addprefix $(built)/,$(programs)) $(libexecdir)
	install $(owner) -m 0644 $(addprefix $(built)/,$(data)) $(libexecdir)
	@rm -f $(addprefix $(libexecdir)/,$(optional))
	@for file in $(optional); do \
	  test ! -f $(built)/$$file || install $(owner) -m 0644 $(built)/$$file $(libexecdir) || exit 1; \
	done
	install $(owner) -m 0644 $(notices) $(libexecdir)
	@for file in $(shared); do \
	  install -d $(owner) -m 0755 $(sharedir)/$${file%/*} && \
	  install $(owner) -m 0644 build/share/$$file $(sharedir)/$$file || exit 1; \
	done
	ln -sfn ../libexec/kumite/kumite $(bindir)/kumite

uninstall:
	rm -f $(bindir)/kumite
	rm -f $(addprefix $(sharedir)/,$(shared)) $(sharedir)/man/man8/kumite.8 $(sharedir)/man/man8/kumite-*.8
	rm -f $(addprefix $(libexecdir)/,$(programs) $(data) $(optional) $(notices))
	test ! -d $(libexecdir) || rmdir --ignore-fail-on-non-empty $(libexecdir)

clean:
	rm -rf build
