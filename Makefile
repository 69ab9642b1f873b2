# cull: `make` prints the targets. build, run, test, soak, bench, purego, lint, fuzz, bench-once and cross need
# only Go (and its module proxy or cache). Besides Go: race gcc; arm64, arm qemu-user; eval pictures in DATA; bench-peers node and npm; bench-train
# python3-torch; icount qemu-user and gcc; testbed Debian, root and what its scripts install (doc/dependencies.md).
GO       ?= go
TOOL      = $(GO) tool -modfile=tools.mod
BIN       = bin
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   = -s -w -X cull/internal/version.name=$(VERSION)
GOFLAGS_STATIC = -trimpath -ldflags='$(LDFLAGS)'
FUZZCOUNT ?= 20000x
DATA     ?= ../shared/data
QEMU      = qemu-aarch64
export CGO_ENABLED = 0

.DEFAULT_GOAL = help
.PHONY: help
help: ## print the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: build
build: ## build bin/cull and bin/cull-trainer for this machine
	$(GO) build $(GOFLAGS_STATIC) -o $(BIN)/cull ./device
	$(GO) build $(GOFLAGS_STATIC) -o $(BIN)/cull-trainer ./trainer

.PHONY: run
run: build ## run the demonstration line on built-in data (PARTS=N, SEED=N)
	$(BIN)/cull run --parts $(or $(PARTS),60) --seed $(or $(SEED),1)

.PHONY: test
test: ## run all tests (under 10 minutes on two cores)
	$(GO) test -timeout 10m ./...

SOAK_PARTS ?= 5000000
SOAK_SEED  ?= 1000000
.PHONY: soak
soak: ## the line against fakes under random faults: two processes of SOAK_PARTS=5000000 parts each (SOAK_SEED=N)
	$(GO) test -c -o $(BIN)/line.test ./device/internal/line
	@cd device/internal/line && soak() { GOMAXPROCS=1 GOGC=400 ../../../$(BIN)/line.test -test.run '^TestSoak$$' -test.timeout 6h \
		-soak.parts $(SOAK_PARTS) -soak.seed $$1; }; \
	soak $(SOAK_SEED) & first=$$!; soak $$(($(SOAK_SEED) + 1000000)) || { kill $$first; exit 1; }; wait $$first

.PHONY: eval
eval: build ## measure on the real sets in DATA, with every control (needs DATA=../shared/data)
	@mkdir -p out
	$(BIN)/cull eval $(DATA) --controls --json out/eval.json

# Every kernel this CPU has, then every step with the fastest: the lines RESULT are what doc/performance.md quotes.
.PHONY: bench bench-peers bench-train
bench: build ## measure kernels, network, scorer and the whole on this machine
	$(GO) test -run '^$$' -bench '^BenchmarkKernels$$' ./infer | tee $(BIN)/kernels.txt
	$(BIN)/cull bench
	@awk '/^BenchmarkKernels/ { split($$1, name, /[-\/]/); for (i = 3; i < NF; i += 2) if ($$(i+1) ~ /GOP/) \
		print "RESULT " ($$(i+1) == "GOP/s" ? "network_" : "peak_") name[2] "_1t_best", $$i, "GOP/s" }' $(BIN)/kernels.txt

PEERS = trainer/internal/peers
bench-peers: ## measure against ONNX Runtime and gonum (needs node and npm)
	@mkdir -p $(BIN)/peers && cp $(PEERS)/package.json $(PEERS)/ort.js $(BIN)/peers
	cd $(BIN)/peers && { test -d node_modules/onnxruntime-node || npm install --ignore-scripts --no-audit --no-fund; }
	$(GO) run ./$(PEERS) -ort $(BIN)/peers

PYTHON = /usr/bin/python3
bench-train: ## measure training against PyTorch on the CPU (needs Debian's python3-torch, or PYTHON=)
	@$(PYTHON) -c 'import numpy, torch' || { echo "bench-train needs numpy and torch: apt-get install python3-torch"; exit 1; }
	$(GO) run ./$(PEERS)/train -python $(PYTHON) $(if $(wildcard $(DATA)/textures),-folder $(DATA)/textures)

.PHONY: race purego arm64 arm lint fuzz cross
race: ## all tests under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m ./...

purego: ## all tests without assembly
	$(GO) test -tags purego -short -timeout 20m ./...

# The packages whose results must be the same bits on every CPU, under emulation: correctness, never speed.
EXACT_PKGS = ./infer/... ./padim/... ./synth/... ./internal/exact/... ./internal/container/... \
	./internal/fixed/... ./internal/light ./internal/product/... ./internal/inspect/... ./reject/... ./device/internal/line/... \
	./trainer/internal/grad ./trainer/internal/quantise
arm64: ## tests as arm64 code under qemu-user (cortex-a53, cortex-a72, cortex-a76, max)
	for cpu in cortex-a53 cortex-a72 cortex-a76 max; do \
		GOARCH=arm64 $(GO) test -short -timeout 40m -exec "$(QEMU) -cpu $$cpu" $(EXACT_PKGS) || exit 1; \
	done

arm: ## tests as 32-bit arm code under qemu-user, those of the trainer left out
	GOARCH=arm GOARM=7 $(GO) test -short -timeout 40m -exec qemu-arm $(filter-out ./trainer/%,$(EXACT_PKGS))

lint: ## vet and staticcheck for amd64, arm64 and arm; format; tidy; generated files
	$(GO) build -modfile=tools.mod -o $(BIN)/staticcheck honnef.co/go/tools/cmd/staticcheck
	for arch in amd64 arm64 arm; do \
		GOARCH=$$arch $(GO) vet ./... && GOARCH=$$arch $(BIN)/staticcheck ./... || exit 1; \
	done
	$(BIN)/staticcheck -tags purego ./...
	$(GO) test -tags periph ./reject/hostpin
	out=$$($(TOOL) gofumpt -l .) && echo "$$out" && test -z "$$out"
	$(GO) mod tidy -diff
	$(GO) test -count=1 -run 'TestDependencies|TestOnlyPrepKnowsFrames' .

fuzz: ## each fuzz target for FUZZCOUNT runs
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | sed 's/func //'); do \
			echo "fuzz $$dir $$f"; \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime=$(FUZZCOUNT) -fuzzminimizetime=1x $$dir; \
		done; \
	done

.PHONY: testbed
testbed: ## drivers, then the daemon under systemd, in an emulated arm64 machine with Debian's kernel (needs root once)
	testbed/drivers.sh
	testbed/system.sh

.PHONY: icount
icount: ## instructions that each arm64 kernel executes, by layer and function, under qemu-user (needs root once)
	testbed/icount.sh

SIZE_LIMIT = 15728640
cross: ## static builds for the boards, with the device binary's size budget
	for t in arm64 arm amd64; do \
		GOOS=linux GOARCH=$$t GOARM=7 $(GO) build $(GOFLAGS_STATIC) -o $(BIN)/linux-$$t/cull ./device || exit 1; \
	done
	for t in arm64 amd64; do \
		GOOS=linux GOARCH=$$t $(GO) build $(GOFLAGS_STATIC) -o $(BIN)/linux-$$t/cull-trainer ./trainer || exit 1; \
	done
	@for t in arm64 arm amd64; do cp LICENSE LICENSE-third-party $(BIN)/linux-$$t/ || exit 1; done # a copy of a program carries them
	@size=$$(stat -c %s $(BIN)/linux-arm64/cull); echo "linux/arm64 cull: $$size bytes (budget $(SIZE_LIMIT))"; \
		test $$size -le $(SIZE_LIMIT)

bench-once: ## every benchmark once, so that none rots
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

.PHONY: bench-once check
check: lint race purego arm64 arm fuzz bench-once cross ## everything slower than `make test`
