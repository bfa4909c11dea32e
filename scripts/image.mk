# Images and the chart on a cluster. Included by the Makefile; paths are from the repository root.
#   make image          a release build with every feature, its bill of materials, and an archive in
#                       the OCI layout (target/image/), without a container engine
#   make image-docker   the same image by `docker build`
#   make sbom           the bill of materials alone

#   make test-chart     the chart on the cluster of KUBECONFIG: installed, upgraded, rolled back, its
#                       pods replaced, removed and installed again (tests/charts/cluster.sh)

.PHONY: image image-docker sbom test-chart

# The feature `testing` is for tests; all the others are in the image.
IMAGE_FEATURES := kafka
IMAGE_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE_NAME ?= turngraph:$(IMAGE_VERSION)
IMAGE_ARCHIVE := target/image/turngraph-$(IMAGE_VERSION).oci.tar

image: playground sbom
	cargo build --release --locked --features $(IMAGE_FEATURES)
	python3 scripts/image.py write --binary target/release/turngraph --name $(IMAGE_NAME) \
	  --sbom target/image/sbom.cdx.json --out $(IMAGE_ARCHIVE)
	python3 scripts/image.py read $(IMAGE_ARCHIVE) >/dev/null

image-docker:
	docker build -t $(IMAGE_NAME) .

sbom:
	@mkdir -p target/image
	python3 scripts/sbom.py --features $(IMAGE_FEATURES) > target/image/sbom.cdx.json

test-chart:
	cargo build
	tests/charts/cluster.sh
