#!/bin/sh
# Makes the file system of the image: the program, the shared libraries that it names, and what a
# program without a distribution needs (users, certificates, how names are looked up). No shell, no
# package manager.   scripts/image-rootfs.sh BINARY ROOTFS
# The Dockerfile and scripts/image.py both use it, so the two ways give the same files.
set -eu

binary=$1
root=$2
rm -rf "$root"
mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/var/lib/turngraph" "$root/tmp"
chmod 1777 "$root/tmp"
cp "$binary" "$root/usr/local/bin/turngraph"
chmod 755 "$root/usr/local/bin/turngraph"
if command -v strip >/dev/null; then strip "$root/usr/local/bin/turngraph"; fi

# `ldd` prints `name => /path (address)` and, for the loader, `/path (address)`.
ldd "$binary" | sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*$/\1/p' |
  while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
    chmod 755 "$root$library"
    # The licence of a library goes with it, where Debian says which package it is from.
    package=$({ dpkg -S "$library" || dpkg -S "$(readlink -f "$library")"; } 2>/dev/null | sed -n '1s/:.*//p' || true)
    if [ -n "$package" ] && [ -e "/usr/share/doc/$package/copyright" ]; then
      mkdir -p "$root/usr/share/doc/$package"
      cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    fi
  done

printf 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n' \
  >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
certificates=/etc/ssl/certs/ca-certificates.crt
if [ -e "$certificates" ]; then cp -L "$certificates" "$root$certificates"; fi
find "$root" -type f ! -perm -0100 -exec chmod 644 {} +
