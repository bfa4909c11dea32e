#!/usr/bin/env bash
# All tests. Installs what is missing where it may (Debian, root), otherwise names it and stops;
# nothing is skipped. Every server that a test needs is started by the test, on a free port of the
# loopback interface, and stopped again. The last line counts: `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0
failed=0
log=target/test-logs
mkdir -p "$log"

# What the tests need: command (or file), Debian package.
have_postgres() { command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
have() { command -v "$1" >/dev/null; }

missing=()
have_postgres || missing+=(postgresql)
have redis-server || have valkey-server || missing+=(redis-server)
have java || missing+=(default-jdk-headless)
have mvn || missing+=(maven)
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
have chromium || missing+=(chromium)
have npm || missing+=(nodejs npm)
have cc || missing+=(build-essential)
have curl || missing+=(curl)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && have apt-get; then
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The package archive is sometimes not reachable at the first try.
    install() { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; }
    install >"$log/apt.log" 2>&1 || { sleep 5; install >>"$log/apt.log" 2>&1; } || {
      tail -n 20 "$log/apt.log"
      echo "cannot install: ${missing[*]}"
      exit 1
    }
  else
    echo "the tests need these Debian packages: ${missing[*]}"
    echo "install them (apt-get install ${missing[*]}) and run make test again"
    exit 1
  fi
fi

# Runs one part; adds up what its output counts, or counts the part itself as one check.
part() {
  local name=$1
  shift
  echo "== $name"
  local out="$log/${name// /-}.log"
  local started=$SECONDS
  "$@" >"$out" 2>&1
  local code=$?
  local p f
  p=$(grep -Eo '[0-9]+ passed' "$out" | awk '{s+=$1} END {print s+0}')
  f=$(grep -Eo '[0-9]+ failed' "$out" | awk '{s+=$1} END {print s+0}')
  if [ "$((p + f))" = 0 ]; then
    if [ $code = 0 ]; then p=1; else f=1; fi
  elif [ $code != 0 ] && [ "$f" = 0 ]; then
    f=1
  fi
  passed=$((passed + p))
  failed=$((failed + f))
  if [ "$f" != 0 ]; then
    tail -n 80 "$out"
    echo "   FAILED: $name ($p passed, $f failed); all of its output: $out"
  else
    echo "   $p passed in $((SECONDS - started)) s"
  fi
}

fetch_jars() { ./scripts/jars.sh cassandra && ./scripts/jars.sh kafka; }

# The tests of the cache once more, on the other server that speaks its protocol.
on_valkey() {
  local program
  program=$(./scripts/valkey.sh) || return 1
  TURNGRAPH_TEST_REDIS=$program cargo test --quiet --no-fail-fast --all-features --test it \
    -- servers::redis stores::cache
}

# The page is built first, because the server embeds it.
part "playground build" make --no-print-directory playground
# Cassandra, Kafka and Debezium; the tests would fetch them too, but in the middle of things.
part "server jars" fetch_jars
part "format" cargo fmt --check
part "lints" cargo clippy --all-targets --quiet -- -D warnings
part "lints with every feature" cargo clippy --all-targets --all-features --quiet -- -D warnings
# With every feature, so that what is optional (Kafka) is tested too; the program that the parts
# below start is the same.
export BUILD_FLAGS=--all-features
part "unit and integration tests" cargo test --quiet --no-fail-fast --all-features
part "cache on Valkey" on_valkey
part "image and chart" python3 tests/charts/run.py
part "GraphQL over HTTP audits" ./scripts/http-audit.sh
part "client libraries" ./scripts/client-tests.sh
part "playground checks" make --no-print-directory playground-check
part "browser" ./scripts/browser-test.sh

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
