# make demo   the main job on a VM made on the spot
# make test   everything that must hold
# make build  the program, as bin/granary

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build demo test lint setup fuzz torture clean

build:
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/granary ./cmd/granary

demo: setup build
	$(GO) build -o bin/ ./integration/standin/vmrun ./integration/lab/vmlab
	bash integration/demo.sh

# Most tests wait for other processes most of the time: more of them at once than
# there are processors. Memory is measured without the race detector's own.
test: setup lint
	$(GO) test -race -parallel 6 -timeout 18m ./...
	$(GO) test -run '^TestMemory' ./repo

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

clean:
	rm -rf bin
