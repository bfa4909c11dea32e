#!/usr/bin/env bash
# All measurements, one after the other; each also runs alone. About an hour on two cores, most of it
# the lag (3 rates, 2 feeds, 60 s each, and a backlog of five minutes behind each).
#
# usage: benches/run.sh [NAME…]      (gateway writes loads lag layouts indexes alternatives)
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- gateway writes loads lag layouts indexes alternatives
# One build for all, so that nothing is compiled twice with other features of its dependencies.
cargo build --release --features kafka --bin turngraph --benches
export TURNGRAPH=$PWD/target/release/turngraph
uname -rm
grep -m 1 'model name' /proc/cpuinfo
echo "$(nproc) cores, $(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1048576)) GiB, $(date -u +%F)"
for name in "$@"; do
  echo
  echo "#### $name"
  if [ -x "benches/$name.sh" ]; then "benches/$name.sh"; else echo "there is no benches/$name.sh"; fi
done
