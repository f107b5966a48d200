# Names for sentences; the logic is in harness/ (setup.sh for the machine, delta-lab for everything else).
#   TOOLS=skip   leave the system alone: install nothing, go on with what is here
#   DIR=folder   where rows and charts go; a run that was stopped continues there
#   SAMPLES=3    for `make bench-peers`: how often each step is timed
#   METHODS=...  for `make real`: a list with commas, or `all` for every method of the scenarios

ifndef DIR
DIR := results/$(shell date +%F)-$(shell uname -n)
endif
# Where cargo puts what it builds: CARGO_TARGET_DIR and cargo's own configuration may say so. Asked once cargo is known
# to be there.
TARGET = $(shell cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
LAB = $(patsubst $(CURDIR)/%,%,$(TARGET))/release/delta-lab

# The methods of `make real` unless METHODS says otherwise: about half an hour within steps on two cores. The others
# take about four hours more. Both are sums of the wall times in results/debian-12/rows.csv.
QUICK := raw gzip/6 zstd/3 fixed/64k fastcdc/16k fastcdc/64k fastcdc/256k bita/64k xdelta3 zstd-patch/3 bsdiff \
	rsync layers casync/64k casync/256k zstd-cli/3 zsync zchunk bita-cli/zstd rsync-ssh borg
SLOW := zstd/19 zstd-patch/19 casync/16k desync gzip-casync/plain gzip-casync/rsyncable gzip-xdelta3/plain \
	gzip-xdelta3/rsyncable xdelta3-cli/default xdelta3-cli/whole zstd-cli/19 bsdiff-cli hdiffpatch rdiff \
	rsync-batch zsync-gz bita-cli/brotli casync-ssh/64k casync-tree ostree ostree-pull image-patch/fast image-patch/best
# What `make bench-peers` holds our own method against.
PEERS := raw,zstd/19,zstd-patch/19,hdiffpatch,image-patch/fast,image-patch/best
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

.PHONY: help bench test real bench-peers report ci baseline build tools docker peers vm lab

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

bench: ## set up, run quickstart with what is here of its methods; print the table, draw the charts
	@echo '== 1 of 4: what a build needs'
	harness/setup.sh build
	@echo '== 2 of 4: compile the lab, about 3 minutes on two cores; meanwhile the tools of quickstart are installed'
	harness/setup.sh tools & tools=$$!; cargo build --release --locked; built=$$?; wait $$tools && exit $$built
	@echo '== 3 of 4: the methods of quickstart that take seconds, and a first table'
	-$(LAB) run quickstart --method $(subst $(space),$(comma),$(FIRST)) --into $(DIR) --report
	@echo '== 4 of 4: the other methods, about two minutes, and the whole table'
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

bench-peers: build tools docker ## our own method beside the best tools there are, on real images: bytes, time, memory
	$(LAB) run rebuild security-update debian-11-to-12 --method $(PEERS) --samples $(SAMPLES) --into $(DIR) --report

report: build ## draw every view of DIR again
	$(LAB) report $(DIR)

ci: ## what continuous integration runs
	.ci/run

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

peers: ## install the real servers that tests hold the wire against: sshd, a registry; nothing is started
	harness/setup.sh peers

vm: ## start a client and a server machine with the tools and the lab
	vagrant up
