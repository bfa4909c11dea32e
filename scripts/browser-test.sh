#!/usr/bin/env bash
# Drives the page of the server with demo data in a real browser.
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/with-server.sh bash -c 'make --no-print-directory playground-test URL="${1%/graphql}"' page
