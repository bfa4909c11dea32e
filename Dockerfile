# The image: the program, the shared libraries that it names, certificates; no shell, no package
# manager, no root. `make image` makes the same without a container engine (scripts/image.py).
#   docker build -t turngraph .
#   docker run --read-only --user 65532 -v data:/var/lib/turngraph turngraph version

FROM node:22-bookworm-slim AS page
WORKDIR /source/playground
COPY playground/package.json playground/package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY playground ./
RUN npm run --silent build -- --logLevel warn

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
COPY --from=page /source/playground/dist playground/dist
# Every feature but `testing`, which is for tests.
RUN cargo build --release --locked --features kafka \
    && scripts/image-rootfs.sh target/release/turngraph /rootfs \
    && mkdir -p /rootfs/usr/share/doc/turngraph \
    && python3 scripts/sbom.py --features kafka > /rootfs/usr/share/doc/turngraph/sbom.cdx.json

FROM scratch
COPY --from=build /rootfs /
COPY --from=build --chown=65532:65532 /rootfs/var/lib/turngraph /var/lib/turngraph
LABEL org.opencontainers.image.title=turngraph \
      org.opencontainers.image.licenses=Apache-2.0
ENV PATH=/usr/local/bin
USER 65532:65532
WORKDIR /var/lib/turngraph
EXPOSE 4000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/turngraph"]
CMD ["serve"]
