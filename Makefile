# dialscope: build, test, measure. `make` alone prints the targets.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Versions are pinned here and nowhere else. Tools go to bin/, which git ignores.
STATICCHECK_VERSION := v0.8.2
TOOLS       := $(CURDIR)/bin/tools
STATICCHECK := $(TOOLS)/staticcheck-$(STATICCHECK_VERSION)

PLATFORMS := linux/arm64 darwin/arm64 windows/amd64 freebsd/amd64
STAGES    := fmt tidy-check generate-check vet lint unit binary cross

# Where they go and how long they run can be changed: make fuzz FUZZTIME=5m
FUZZTIME    ?= 30s
RACE        ?= -race
PKG         ?= ./...
PREFIX      ?= /usr/local

# The program is shipped without cgo, so everything but the race detector
# (which needs it on Linux) is built and checked that way.
export CGO_ENABLED := 0

# The race detector needs cgo; these tags keep the resolver and user look-ups
# that the shipped binary has.
PURE_GO := -tags=netgo,osusergo

.PHONY: help
help: ## print this list
	@echo "dialscope: make TARGET"
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## the static binary, bin/dialscope
	go build -trimpath -ldflags='-s -w' -o bin/dialscope ./cmd/dialscope

.PHONY: install
install: build ## install binary and man page under PREFIX (/usr/local)
	install -D -m 0755 bin/dialscope $(DESTDIR)$(PREFIX)/bin/dialscope
	for page in docs/man/*.1; do \
		if [ -e "$$page" ]; then install -D -m 0644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man1/$${page##*/}"; fi; \
	done

.PHONY: test
test: ## everything that CI runs, in an order that fails fast
	@scripts/stages $(STAGES)

.PHONY: fmt
fmt: ## gofmt has nothing to change
	@bad=$$(gofmt -l .); \
	if [ -n "$$bad" ]; then printf 'gofmt would change (run gofmt -w on them):\n%s\n' "$$bad"; exit 1; fi

.PHONY: tidy-check
tidy-check: ## go.mod and go.sum are what go mod tidy would write
	go mod tidy -diff

.PHONY: generate-check
generate-check: ## go generate changes no file
	@scripts/check-generated

.PHONY: vet
vet: ## go vet
	go vet ./...

.PHONY: lint
lint: $(STATICCHECK) ## staticcheck
	$(STATICCHECK) ./...

.PHONY: unit
unit: cc ## every test with -race -shuffle=on; PKG=./dir narrows, RACE= leaves the detector out
	mkdir -p bin
	CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) $(PURE_GO) -shuffle=on -timeout=8m -json $(PKG) | \
		go run ./scripts/testreport -summary bin/test-summary

.PHONY: netns
netns: ## the tests that build network namespaces, a skip counts as a failure
	DIALSCOPE_REQUIRE=netns go test -count=1 $$(scripts/netns-packages)

.PHONY: deps
deps: ## the table of allowed imports
	go test -count=1 -run "^TestDeps" .

.PHONY: binary
binary: build ## the binary is static, starts, and can drop capabilities (linked with C, as for the race detector, it cannot)
	scripts/check-static bin/dialscope
	CGO_ENABLED=0 go test -count=1 -run '^TestKeepCapabilities$$' ./internal/host/sys
	bin/dialscope version

.PHONY: cross
cross: $(addprefix cross-,$(subst /,-,$(PLATFORMS))) ## program compiles for the other systems, tests too where their files differ

.PHONY: cross-%
cross-%: # freebsd takes darwin's test files, and arm64 those that run here
	@system=$*; export GOOS=$${system%-*} GOARCH=$${system#*-}; \
	go build ./... && case $$GOOS in \
	darwin | windows) go vet ./... && echo "$$GOOS/$$GOARCH: builds, and its tests compile";; \
	*) echo "$$GOOS/$$GOARCH: builds";; \
	esac

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s) each; make test runs their seeds only, which find the same each time
	@scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## a dial measured against net.Dialer and C; the binary against nc and curl
	scripts/bench dial

.PHONY: cover
cover: ## coverage of all packages by all tests, bin/cover.html
	mkdir -p bin
	go test -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	go tool cover -func=bin/cover.out | tail -n 1

.PHONY: generate
generate: ## regenerate what is generated
	go generate ./...

.PHONY: man
man: ## the man pages, from the same source as --help
	go generate ./internal/cli/...

.PHONY: matrix
matrix: ## run every scenario of the lab and write docs/matrix.md
	go run ./cmd/dialscope lab matrix >docs/matrix.md.new || { rm docs/matrix.md.new; exit 1; }
	mv docs/matrix.md.new docs/matrix.md

.PHONY: matrix-check
matrix-check: ## docs/matrix.md is current in everything but times
	go run ./cmd/dialscope lab matrix --check docs/matrix.md

.PHONY: tables
tables: ## make the lab's experiments and write docs/tables
	for table in success giveup reuse; do go run ./cmd/dialscope lab table $$table >docs/tables/$$table.md.new && mv docs/tables/$$table.md.new docs/tables/$$table.md; done

.PHONY: clean
clean: ## remove bin/
	rm -rf bin

# The race detector links C.
.PHONY: cc
cc:
	@if [ -n "$(RACE)" ] && ! command -v "$${CC:-gcc}" >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get install -y --no-install-recommends gcc libc6-dev; \
		else \
			echo 'the race detector needs a C compiler: install gcc (Debian: gcc libc6-dev), or run make unit RACE='; exit 1; \
		fi; \
	fi

$(STATICCHECK):
	mkdir -p $(TOOLS)/new
	GOBIN=$(TOOLS)/new go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv $(TOOLS)/new/staticcheck $@
