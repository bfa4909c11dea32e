# The page on `/` and its browser test. Included by the Makefile; paths are from the repository root.
#   make playground          build the page into playground/dist (only if something changed)
#   make playground-if-npm   the same where npm is installed, otherwise a note and no failure
#   make playground-check    types, and every operation of the page against schema.graphql
#   make playground-test URL=http://127.0.0.1:PORT [SHOTS=FOLDER]
#                            drive the page of a running server in Chromium

.PHONY: playground playground-if-npm playground-check playground-test

PLAYGROUND_SOURCES := $(shell find playground/src playground/public -type f) \
	$(addprefix playground/,index.html package.json vite.config.ts)
# npm writes this file last, so it says that the installation is complete.
PLAYGROUND_MODULES := playground/node_modules/.package-lock.json
BROWSER_MODULES := tests/browser/node_modules/.package-lock.json
NPM_CI := npm ci --no-audit --no-fund --loglevel=error
SHOTS ?= target/screenshots

playground: playground/dist/index.html

playground/dist/index.html: $(PLAYGROUND_MODULES) $(PLAYGROUND_SOURCES)
	npm --prefix playground run --silent build -- --logLevel warn

%/node_modules/.package-lock.json: %/package-lock.json
	@command -v npm >/dev/null || { \
	  echo "make playground needs Node.js 20.19 or newer with npm: https://nodejs.org" >&2; exit 1; }
	cd $* && $(NPM_CI)
	@touch $@

playground-if-npm:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory playground; \
	else echo "npm is not installed: the server runs without its page (make playground builds it)"; fi

playground-check: $(PLAYGROUND_MODULES)
	npm --prefix playground run --silent check

playground-test: $(BROWSER_MODULES)
	node tests/browser/playground.mjs $(URL) $(SHOTS)
