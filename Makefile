# make demo   the main job on a VM made on the spot
# make test   everything that must hold
# make build  the program, as bin/granary

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build demo test lint setup fuzz torture bench scale clean

build:
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/granary ./cmd/granary

demo: setup build
	$(GO) build -o bin/ ./integration/standin/vmrun ./integration/lab/vmlab
	bash integration/demo.sh

# Most tests wait for other processes most of the time: more of them at once than
# there are processors. Memory is measured without the race detector's own. Where
# no C compiler is, another compressor takes its place.
test: setup lint
	$(GO) test -race -parallel 6 -timeout 18m ./...
	$(GO) test -run '^TestMemory' ./repo
	CGO_ENABLED=0 $(GO) test -run '^(TestReadsBack|TestChangedPages)' ./repo

# What has to build elsewhere is vetted for elsewhere.
lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'these files want gofmt'; exit 1; }
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

setup:
	@bash integration/setup.sh

# Each parser for a while: make fuzz FUZZTIME=5m
FUZZTIME ?= 1m
fuzz:
	@set -e; for package in ./repo/format ./capture ./capture/vmx ./capture/vmdk ./capture/vcb ./job ./job/strict; do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package; \
	  done; done

# granary run killed at many moments: make torture KILLS=1000; with SEED= and the
# seed that a failure names, at the same ones.
KILLS ?= 200
torture: setup
	GRANARY_TORTURE=$(KILLS) GRANARY_TORTURE_SEED=$(SEED) $(GO) test -count=1 -timeout 5h -run '^TestKilledRun$$' -v ./integration

# granary beside its peers, as root, written to docs/benchmarks.md; its flags in
# BENCH: make bench BENCH='-rounds=1 -peers=restic'
BENCH ?=
bench: setup build
	@bash integration/bench/setup.sh
	$(GO) run ./integration/bench $(BENCH)

# How granary grows with its repository, printed as tables; its flags in SCALE:
# make scale SCALE='-grains 1e6,1e7,1e8 -dir /big/disk'
SCALE ?=
scale: build
	$(GO) run ./integration/scale -granary bin/granary $(SCALE)

clean:
	rm -rf bin
