# Two commands: `make run` to try it, `make test` to prove it.
#   make run      build and start the embedded server with demo conversations
#   make test     install or name what the tests need, then run all of them
#   make bench    the measurements of benches/README.md
#   make image    a container image, as an archive; needs no container engine
#   make fmt      format everything
#   make schema   print the GraphQL schema into schema.graphql

.PHONY: run test bench fmt schema

# A release build takes longer to make and starts no sooner, so trying it out uses the dev profile.
run: playground-if-npm
	cargo run --quiet -- dev $(ARGS)

test:
	./scripts/test.sh

bench:
	./benches/run.sh

fmt:
	cargo fmt

schema:
	cargo run --quiet -- schema print > schema.graphql

include scripts/playground.mk
include scripts/image.mk
