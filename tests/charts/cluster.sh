#!/usr/bin/env bash
# Installs the chart on a real cluster and shows what only a cluster can: `make test-chart`.
#
#   KUBECONFIG   the cluster (kind, k3s, minikube, any)
#   LOAD         a command that brings an image archive to its nodes, e.g.
#                LOAD="kind load image-archive" or LOAD="sudo k3s ctr images import"
#   HELM, KUBECTL  how they are called, where they are not on the path
#   PROGRAM      the program that goes into the image [target/debug/turngraph]
#
# Stores run from images packed on this machine (standins/pack.sh): PostgreSQL and Redis of Debian,
# Cassandra in ScyllaDB's place. Everything is in two namespaces of its own, which go at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."

HELM=${HELM:-helm} KUBECTL=${KUBECTL:-kubectl} PROGRAM=${PROGRAM:-target/debug/turngraph}
: "${LOAD:?a command that loads an image archive into the cluster, e.g. LOAD=\"kind load image-archive\"}"
ns=turngraph-test other=turngraph-other
scratch=$(mktemp -d)
passed=0
k() { $KUBECTL -n "$ns" "$@"; }
h() { $HELM -n "$ns" "$@"; }
done_() { passed=$((passed + 1)); printf '[%4ds] ✔ %s\n' $SECONDS "$*"; }
fail() {
  printf '[%4ds] ✖ %s\n' $SECONDS "$*"
  k get pods -o wide || true
  k get events --sort-by=.lastTimestamp | tail -n 25 || true
  for pod in $(k get pods -o name); do
    echo "--- $pod"
    k logs "$pod" --all-containers --tail=12 || true
  done
  echo "$passed passed, 1 failed"
  exit 1
}
finish() {
  [ -n "${KEEP:-}" ] || $KUBECTL delete namespace "$ns" "$other" --wait=false --ignore-not-found >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap finish EXIT
until_() { # until_ SECONDS WHAT COMMAND…
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$what"
    sleep 1
  done
}

# --- images -----------------------------------------------------------------------------------------
tests/charts/standins/pack.sh "$scratch/images"
python3 scripts/image.py write --binary "$PROGRAM" --name localhost/turngraph:test --out "$scratch/images/turngraph.tar"
for image in "$scratch"/images/*.tar; do $LOAD "$image" >/dev/null; done
done_ "images are packed and loaded"

cat >"$scratch/values.yaml" <<X
images:
  turngraph: {repository: localhost/turngraph, tag: test}
  postgres: {repository: localhost/postgres, tag: test}
  cassandra: {repository: localhost/cassandra, tag: test}
  redis: {repository: localhost/redis, tag: test}
cql: {engine: cassandra, memory: 512M, parameters: {timeout_ms: 2000}}
X
chart() { cat "$scratch/values.yaml"; }

# --- install ----------------------------------------------------------------------------------------
for one in "$ns" "$other"; do
  $KUBECTL create namespace "$one" >/dev/null
  # The cluster itself refuses a pod that is not restricted.
  $KUBECTL label namespace "$one" pod-security.kubernetes.io/enforce=restricted >/dev/null
done
h install chat charts/turngraph -f "$scratch/values.yaml" --wait --timeout 10m >/dev/null || fail "install"
done_ "single-node is installed in a namespace that enforces the restricted profile"

gateway=deployment/chat-turngraph-gateway
run() { k exec "$gateway" -- turngraph "$@"; }
run rebuild >/dev/null || fail "rebuild"
h test chat --logs || fail "helm test"
done_ "helm test: write, STRONG, change feed, EVENTUAL, delete"

sample=src/transfer/demo/data
count() { run export --account demo --format ndjson 2>/dev/null | grep -c . || true; }
import() { k exec -i "$gateway" -- turngraph import --account demo /dev/stdin; }
for file in "$sample"/*.json*; do import <"$file" >/dev/null || fail "import of $file"; done
before=$(count)
[ "$before" -gt 0 ] || fail "nothing was imported"
done_ "conversations are imported ($before lines of export)"
verified() { run verify | grep -q ' 0 wrong'; }
until_ 120 "verify after the import" verified
done_ "the projections have them, none wrong"

# --- upgrade and rollback ---------------------------------------------------------------------------
password() { k get secret chat-turngraph-postgres -o jsonpath='{.data.password}'; }
kept=$(password)
h upgrade chat charts/turngraph -f "$scratch/values.yaml" --set config.log_level=debug --wait --timeout 10m >/dev/null || fail "upgrade"
[ "$(password)" = "$kept" ] || fail "the upgrade changed a password"
h test chat >/dev/null || fail "helm test after the upgrade"
done_ "upgraded, passwords kept"
h rollback chat 1 --wait --timeout 10m >/dev/null || fail "rollback"
h test chat >/dev/null || fail "helm test after the rollback"
done_ "rolled back"
said=$(h upgrade chat charts/turngraph -f "$scratch/values.yaml" --set cql.mode=off 2>&1) && fail "the guard let a store with data go"
case $said in *"data-chat-turngraph-cql-0"*) ;; *) fail "the guard said: $said" ;; esac
done_ "the guard refuses to leave a store's data behind"

# --- pods go and come -------------------------------------------------------------------------------
for store in redis cql postgres; do
  k delete pod "chat-turngraph-$store-0" --wait=true >/dev/null
  k rollout status "statefulset/chat-turngraph-$store" --timeout=5m >/dev/null || fail "$store does not come back"
done
k rollout status "$gateway" --timeout=5m >/dev/null || fail "the gateway does not come back"
[ "$(count)" = "$before" ] || fail "conversations are missing after the stores' pods were replaced"
h test chat >/dev/null || fail "helm test after the stores' pods were replaced"
done_ "pods of all stores were replaced; every conversation is there"
k delete pod -l app.kubernetes.io/component=gateway --wait=true >/dev/null
k delete pod -l app.kubernetes.io/component=projector --wait=true >/dev/null
k rollout status "$gateway" --timeout=5m >/dev/null || fail "the gateway does not come back"
h test chat >/dev/null || fail "helm test after the program's pods were replaced"
done_ "gateway and projector were replaced"

# --- networks ---------------------------------------------------------------------------------------
# A pod that is nobody: it may not talk to the stores; of another namespace, not to the gateway.
stranger() { # stranger NAMESPACE ARGS…: exit code of the program in a pod without our labels
  local where=$1 overrides
  shift
  overrides=$(printf '%s' '{"spec":{"securityContext":{"runAsNonRoot":true,"runAsUser":65532,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"stranger","image":"localhost/turngraph:test","args":ARGS,"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}' |
    python3 -c 'import json,sys; print(sys.stdin.read().replace("ARGS", json.dumps(sys.argv[1:])))' "$@")
  $KUBECTL -n "$where" delete pod stranger --ignore-not-found --wait=true >/dev/null
  $KUBECTL -n "$where" run stranger --image=localhost/turngraph:test --restart=Never --overrides="$overrides" >/dev/null
  until_ 120 "the stranger's pod" sh -c "$KUBECTL -n $where get pod stranger -o jsonpath='{.status.phase}' | grep -Eq 'Succeeded|Failed'"
  [ "$($KUBECTL -n "$where" get pod stranger -o jsonpath='{.status.phase}')" = Succeeded ]
}
url=http://chat-turngraph.$ns.svc:4000
stranger "$ns" smoke --url "$url" || fail "a pod of the namespace does not reach the gateway"
stranger "$other" smoke --url "$url" && fail "a pod of another namespace reaches the gateway"
stranger "$ns" migrate wait --within 5 --record "postgres://turngraph@chat-turngraph-postgres:5432/turngraph?sslmode=disable" && fail "a stranger reaches PostgreSQL"
$KUBECTL -n "$ns" logs stranger | grep -qi "password" && fail "a stranger reaches PostgreSQL, which asks for a password"
done_ "network policies open what they should and close the rest"

# --- as a part of another chart ---------------------------------------------------------------------
cp -R charts/turngraph/examples/umbrella "$scratch/umbrella"
mkdir "$scratch/umbrella/charts"
cp -R charts/turngraph "$scratch/umbrella/charts/turngraph"
rm -rf "$scratch/umbrella/charts/turngraph/examples"
cat >"$scratch/umbrella.yaml" <<X
global: {imageRegistry: localhost, imagePullSecrets: []}
turngraph:
  preset: tiny
  images: {turngraph: {repository: turngraph, tag: test}}
  networkPolicy: {gatewayFrom: [{podSelector: {}}]}
X
$HELM -n "$other" install app "$scratch/umbrella" -f "$scratch/umbrella.yaml" --wait --timeout 5m >/dev/null || { ns=$other; fail "umbrella"; }
$HELM -n "$other" test app >/dev/null || { ns=$other; fail "helm test of the umbrella"; }
done_ "a parent chart brings it along in another namespace (tiny)"

# --- gone and back ----------------------------------------------------------------------------------
h uninstall chat --wait >/dev/null || fail "uninstall"
[ "$(k get pvc -o name | grep -c chat-turngraph)" -ge 2 ] || fail "claims are gone"
k get secret chat-turngraph-postgres >/dev/null || fail "the password is gone"
h install chat charts/turngraph -f "$scratch/values.yaml" --wait --timeout 10m >/dev/null || fail "second installation"
[ "$(count)" = "$before" ] || fail "the second installation does not have the first one's data"
h test chat >/dev/null || fail "helm test of the second installation"
done_ "uninstalled with claims kept; a new installation finds them"

echo "$passed passed, 0 failed"
