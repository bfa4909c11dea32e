#!/usr/bin/env bash
# Drives the server with the clients that applications use: Apollo Client, urql, documents of the
# Relay compiler on a server that takes no others, types of graphql-codegen.
set -euo pipefail
cd "$(dirname "$0")/.."
make --no-print-directory tests/clients/node_modules/.package-lock.json
build=tests/clients/build
mkdir -p $build/relay
# The compiler adds to this file and wants it to be there.
echo '{}' >$build/relay-documents.json
(cd tests/clients && npx --no-install relay-compiler relay.config.json)
printf 'documents = "%s"\ndocuments_mode = "enforce"\n' "$build/relay-documents.json" >$build/trusted.toml
./scripts/with-server.sh ./scripts/with-server.sh --config $build/trusted.toml node tests/clients/run.mjs
