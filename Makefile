# Names for sentences; the logic is in harness/ (setup.sh for the machine, delta-lab for everything else).
#   TOOLS=skip   leave the system alone: install nothing, go on with what is here
#   DIR=folder   where rows and charts go; a run that was stopped continues there
#   SAMPLES=3    for `make bench-peers`: how often each step is timed
#   ONLY=chunk   for `make bench-kernels`: part of the kernels' names; all when absent
#   HOURS=1 SEED=...   for `make torture`; CAMPAIGN=... and ROUND=... repeat what failed; ROUNDS=10000 instead of HOURS
#   EFFORT=fast  for `make bench-worth`; PAIRS=... for other scenarios, IDEA=... for one line
#   MINUTES=1 TARGETS=...   for `make fuzz`
#   FILES=...    for `make mutants`
#   ONLY=g       for `make experiments`: letters or names, several with commas; all when absent
#   METHODS=...  for `make real`: a list with commas, or `all` for every method of the scenarios

ifndef DIR
DIR := results/$(shell date +%F)-$(shell uname -n)
endif
# Where cargo puts what it builds: CARGO_TARGET_DIR and cargo's own configuration may say so. Asked once cargo is known
# to be there.
TARGET = $(shell cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
LAB = $(patsubst $(CURDIR)/%,%,$(TARGET))/release/delta-lab

# The methods of `make real` unless METHODS says otherwise: about a quarter of an hour within steps on two cores. The others
# take about two hours more. Both are sums of wall times: those in results/debian-12/rows.csv, and what it leaves out.
QUICK := raw gzip/6 zstd/3 fixed/64k fastcdc/16k fastcdc/64k fastcdc/256k fastcdc-pack/64k peaks/64k \
	bita/64k xdelta3 zstd-patch/3 bsdiff rsync layers casync/64k casync/256k zstd-cli/3 zsync zchunk bita-cli/zstd rsync-ssh borg
SLOW := zstd/19 zstd-patch/19 casync/16k desync zstd-chunked tar-diff/3 tar-diff/19 gzip-casync/plain gzip-casync/rsyncable gzip-xdelta3/plain \
	gzip-xdelta3/rsyncable xdelta3-cli/default xdelta3-cli/whole zstd-cli/19 bsdiff-cli hdiffpatch rdiff \
	rsync-batch zsync-gz bita-cli/brotli casync-ssh/64k casync-tree ostree ostree-pull image-patch/fast image-patch/best \
	xdelta3-cli/plain
# What `make bench-peers` holds against casync for speed, and our own method against for bytes.
RACERS := casync/64k,desync,bita-cli/zstd,fastcdc/64k,fastcdc-pack/64k,peaks/64k
PEERS := raw,zstd/19,zstd-patch/19,hdiffpatch,image-patch/fast,image-patch/best
# Images of other kinds, for bytes.
KINDS := slim-update python-update node-update arm64-update go-update go-relink node-program
# The methods of `make bench` before its first table: no level 19, nothing that sorts suffixes.
FIRST := raw gzip/6 zstd/3 fixed/64k fastcdc/64k bita/64k layers zstd-patch/3 casync/64k zsync

comma := ,
empty :=
space := $(empty) $(empty)
METHODS := $(subst $(space),$(comma),$(QUICK))
CHOSEN = $(if $(filter all,$(METHODS)),,--method $(METHODS))

.DEFAULT_GOAL := help
# One apt-get at a time.
.NOTPARALLEL:
SAMPLES := 3
PAIRS := security-update rebuild

.PHONY: help bench test real bench-kernels bench-peers bench-worth report ci baseline experiments build tools docker roads peers vm lab torture fuzz mutants

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

bench: ## set up, run quickstart with what is here of its methods; print the table, draw the charts
	@echo '== 1 of 4: what a build needs'
	harness/setup.sh build
	@echo '== 2 of 4: compile the lab, 4 to 6 minutes on two cores; meanwhile the tools of quickstart are installed'
	harness/setup.sh tools & tools=$$!; cargo build --release --locked; built=$$?; wait $$tools && exit $$built
	@echo '== 3 of 4: the methods of quickstart that take seconds, and a first table'
	-$(LAB) run quickstart --method $(subst $(space),$(comma),$(FIRST)) --into $(DIR) --report
	@echo '== 4 of 4: the other methods, two to three minutes, and the whole table'
	$(LAB) run quickstart --into $(DIR) --report

test: build tools ## run every test, then rustfmt and clippy
	cargo test --release --locked
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings

real: build tools docker ## run the scenarios with real images, built and saved by Docker; Ubuntu's where they can be pulled
	@$(if $(filter all,$(METHODS)),,echo '== not run: $(filter-out $(subst $(comma),$(space),$(METHODS)),$(QUICK) $(SLOW))'; \
	  echo '== to add them to the same folder: make real METHODS=all DIR=$(DIR)')
	$(LAB) run rebuild security-update debian-11-to-12 $(CHOSEN) --into $(DIR) --report
	-$(LAB) run ubuntu-18-to-20 $(CHOSEN) --into $(DIR) --report

bench-kernels: ## chunkers, hash, compressor, patches and the wire by themselves, in bytes a second
	cargo bench --locked --bench kernels -- $(ONLY)

bench-peers: build tools docker ## our own methods beside the best tools there are, on real images: speed; bytes, time, memory; bytes of other kinds
	$(LAB) run rebuild --method $(RACERS) --samples $(SAMPLES) --into $(DIR)-speed --report
	$(LAB) run rebuild security-update debian-11-to-12 --method $(PEERS) --samples $(SAMPLES) --into $(DIR) --report
	$(LAB) run $(KINDS) --method $(PEERS) --jobs $(shell nproc) --into $(DIR)-kinds --report

bench-worth: build docker ## what each idea in our own patches is worth: one of them off at a time, on real images
	EFFORT=$(EFFORT) IDEA=$(IDEA) cargo bench --locked --bench worth -- $(PAIRS)

report: build ## draw every view of DIR again
	$(LAB) report $(DIR)

ci: ## what continuous integration runs
	.ci/run

# Seven campaigns and the cheats share the time.
HOURS ?= 1
ifndef SEED
SEED := $(shell date +%s)
endif
SHARE = $(shell awk 'BEGIN { print int($(HOURS) * 3600 / 8) }')
TORTURE = TORTURE_SEED=$(SEED) TORTURE_SECONDS=$(SHARE) TORTURE_CAMPAIGN=$(CAMPAIGN) TORTURE_ROUND=$(ROUND) \
	TORTURE_ROUNDS=$(ROUNDS)

torture: build ## attack the lab for HOURS (1) from SEED: kills, damaged archives, hostile images and clients, random patches, cheats
	@echo '== seed $(SEED), $(SHARE) s for each campaign'
	$(TORTURE) cargo test --release --locked --test claims torture:: -- --nocapture --test-threads 1
	$(if $(CAMPAIGN),,end=$$(($$(date +%s) + $(SHARE))); while [ $$(date +%s) -lt $$end ]; do \
	  cargo test --release --locked --test claims cheats:: || exit 1; done)

fuzz: ## run every fuzz target, or TARGETS, for MINUTES each (1); the input of a crash stays in fuzz/artifacts
	MINUTES=$(or $(MINUTES),1) fuzz/run $(TARGETS)

mutants: ## change the code in small ways and see a test go red: all of .cargo/mutants.toml, or FILES
	cargo mutants $(foreach file,$(FILES),--file '$(file)')

# Into a folder of its own: the answers in results/experiments are kept, and images built on another day are other images.
experiments: build tools docker roads ## answer the questions in scenarios/experiments anew: rows and a page beside DIR; ONLY=g for one
	$(LAB) experiments $(subst $(comma),$(space),$(ONLY)) --into $(DIR)-experiments

baseline: build ## run smoke afresh and keep its rows as the bytes to compare with
	rm -rf target/baseline
	$(LAB) run smoke --into target/baseline
	cp target/baseline/rows.csv results/baseline/rows.csv

lab: ## print where `make build` puts the program
	@echo $(LAB)

build: ## build the lab, with the compiler it needs
	harness/setup.sh build
	cargo build --release --locked

tools: ## install the field's tools: casync, xdelta3, zsync ... and bita, which is compiled
	harness/setup.sh tools extra

docker: ## install Docker and mmdebstrap, start the daemon when none answers
	harness/setup.sh docker

roads: ## install the servers of the axis `road`: nginx, SeaweedFS; nothing is started
	harness/setup.sh roads

peers: ## install what tests hold the lab against: sshd, a registry, a browser; nothing is started
	harness/setup.sh peers

vm: ## start a client and a server machine with the tools and the lab
	vagrant up
