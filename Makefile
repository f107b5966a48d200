# Names for sentences; the logic is in harness/ (setup.sh for the machine, delta-lab for everything else).
#   TOOLS=skip   leave the system alone: install nothing, go on with what is here
#   DIR=folder   where rows and charts go; a run that was stopped continues there

ifndef DIR
DIR := results/$(shell date +%F)-$(shell uname -n)
endif
LAB := target/release/delta-lab

.DEFAULT_GOAL := help
# One apt-get at a time.
.NOTPARALLEL:
.PHONY: help bench test real report ci baseline build tools docker peers vm

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

bench: build tools ## run quickstart with what is here of its methods; print the table, draw the charts
	$(LAB) run quickstart --into $(DIR) --report

test: build tools ## run every test, then rustfmt and clippy
	cargo test --release --locked
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings

real: build tools docker ## run the scenarios with real images, built and saved by Docker; Ubuntu's where they can be pulled
	$(LAB) run rebuild security-update debian-11-to-12 --into $(DIR) --report
	-$(LAB) run ubuntu-18-to-20 --into $(DIR) --report

report: build ## draw every view of DIR again
	$(LAB) report $(DIR)

ci: ## what continuous integration runs
	.ci/run

baseline: build ## run smoke afresh and keep its rows as the bytes to compare with
	rm -rf target/baseline
	$(LAB) run smoke --into target/baseline
	cp target/baseline/rows.csv results/baseline/rows.csv

build: ## build the lab, with the compiler it needs
	harness/setup.sh build
	cargo build --release --locked

tools: ## install the field's tools: casync, xdelta3, zsync ...
	harness/setup.sh tools

docker: ## install Docker and mmdebstrap, start the daemon when none answers
	harness/setup.sh docker

peers: ## install the real servers that tests hold the wire against: sshd, a registry; nothing is started
	harness/setup.sh peers

vm: ## start a client and a server machine with the tools and the lab
	vagrant up
