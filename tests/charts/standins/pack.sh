#!/usr/bin/env bash
# Packs images of PostgreSQL, Redis and Cassandra from what is installed on this machine, with the
# entry points, paths, variables and users that the chart expects of the upstream images:
#   tests/charts/standins/pack.sh FOLDER     writes FOLDER/{postgres,redis,cassandra}.tar
# For clusters that cannot pull; the names are localhost/NAME:test.
set -euo pipefail
cd "$(dirname "$0")/../../.."
out=$1
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Copies programs and libraries with what they need, to where they are here.
collect() {
  local root=$1 file library
  shift
  for file in "$@"; do
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
    ldd "$file" 2>/dev/null | sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*$/\1/p' |
      while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        [ -e "$root$library" ] || cp -L "$library" "$root$library"
      done
  done
}
base() { # base ROOT USER NAME
  local root=$1
  mkdir -p "$root"/{etc,tmp,bin,usr/bin,usr/local/bin}
  printf 'root:x:0:0:root:/:/bin/sh\n%s:x:%s:%s::/tmp:/bin/sh\n' "$3" "$2" "$2" >"$root/etc/passwd"
  printf 'root:x:0:\n%s:x:%s:\n' "$3" "$2" >"$root/etc/group"
  printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
  local name
  collect "$root" "$(readlink -f /bin/sh)"
  cp -L "$(readlink -f /bin/sh)" "$root/bin/sh"
  for name in cat cp date ls mkdir mv rm sed sort tail xargs sleep id env; do
    collect "$root" "$(command -v $name)"
  done
}
pack() { # pack NAME USER ENTRY [ENV]
  python3 scripts/image.py pack --rootfs "$work/$1" --name "localhost/$1:test" --user "$2:$2" \
    --entry "$3" --out "$out/$1.tar" ${4:+--env "$4"}
}

postgres() {
  local root=$work/postgres folder share
  folder=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
  share=/usr/share/postgresql/$(basename "$(dirname "$folder")")
  base "$root" 999 postgres
  collect "$root" "$folder"/{postgres,initdb,pg_ctl,psql,pg_isready,pg_dump,pg_restore}
  for library in "$folder"/../lib/{pgoutput,plpgsql,dict_snowball,libpqwalreceiver}.so; do
    collect "$root" "$(readlink -f "$library")"
  done
  mkdir -p "$root$share" "$root/usr/share" "$root/usr/lib/locale" "$root/var/lib/postgresql/data" "$root/var/run/postgresql"
  cp -RL "$share/." "$root$share/"
  cp -RL /usr/share/zoneinfo "$root/usr/share/"
  [ ! -d /usr/lib/locale/C.utf8 ] || cp -RL /usr/lib/locale/C.utf8 "$root/usr/lib/locale/"
  cp tests/charts/standins/postgres.sh "$root/usr/local/bin/docker-entrypoint.sh"
  pack postgres 999 docker-entrypoint.sh "PATH=/usr/local/bin:/usr/bin:/bin:$folder"
}
redis() {
  base "$work/redis" 999 redis
  collect "$work/redis" "$(readlink -f "$(command -v redis-server)")" "$(readlink -f "$(command -v redis-cli)")"
  # One program with several names.
  local name
  for name in redis-server redis-cli; do
    [ -e "$work/redis/usr/bin/$name" ] || cp -L "$(command -v $name)" "$work/redis/usr/bin/$name"
  done
  pack redis 999 redis-server
}
cassandra() {
  local root=$work/cassandra java
  java=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
  base "$root" 999 cassandra
  mkdir -p "$root/opt/java" "$root/opt/cassandra/logs" "$root/etc/cassandra" "$root/var/log/cassandra" "$root/var/lib/cassandra"
  tar -C "$java" -ch --exclude=src.zip --exclude=ct.sym bin conf lib 2>/dev/null | tar -C "$root/opt/java" -x
  local file
  find "$java/bin" "$java/lib" -type f \( -name '*.so' -o -name java \) | while read -r file; do
    ldd "$file" 2>/dev/null | sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*$/\1/p'
  done | sort -u | grep -v "^$java" | while read -r file; do
    mkdir -p "$root$(dirname "$file")"
    [ -e "$root$file" ] || cp -L "$file" "$root$file"
  done
  cp -RL "$(./scripts/jars.sh cassandra)" "$root/opt/cassandra/lib"
  cp tests/charts/standins/cassandra.yaml "$root/etc/cassandra/template.yaml"
  cp tests/charts/standins/logback.xml "$root/etc/cassandra/logback.xml"
  cp tests/charts/standins/cassandra.sh "$root/usr/local/bin/docker-entrypoint.sh"
  pack cassandra 999 docker-entrypoint.sh
}
postgres
redis
cassandra
