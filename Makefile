.PHONY: help demo test check bench docs format lock clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\): ## \(.*\)/make \1	\2/p' Makefile

demo: ## set up, make a toy world, serve it on this machine and show recommendations
	@scripts/demo

test: ## set up and run every test
	@scripts/test

check: ## format, lint, types, import contracts, documentation
	@scripts/check

bench: ## run the benchmarks behind docs/results.md
	@scripts/bench

docs: ## build the documentation into site/
	@scripts/docs

format: ## format the code and mend what the linter can
	@scripts/format

lock: ## pin the packages anew (needs uv)
	@scripts/lock

clean: ## remove everything the other targets made
	@scripts/clean
