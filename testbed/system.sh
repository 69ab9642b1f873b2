#!/bin/bash
# system.sh [SCENARIO...]: the daemon under a real systemd, in an emulated arm64 machine with Debian's kernel: v4l2loopback brings chosen
# pictures of good and bad parts, gpio-sim is the GPIO chip, vivid the camera that fails. testbed/system/test has the scenarios.
# All of them run unless some are named.
# Prints ok and FAIL lines, then PASS or FAIL. Times seen in it are the emulation's, never a board's.
# Needs root to install what is missing. Downloads and the root file system are kept in CACHE (~/.cache/cull-testbed).
set -euo pipefail
cd "$(dirname "$0")/.."
all=(config judged storm kill9 watchdog stuck journald encoder damaged fatal unplug sandbox)
for s in "$@"; do
	[[ " ${all[*]} " = *" $s "* ]] || { echo "system.sh: no scenario $s, there are: ${all[*]}" >&2; exit 2; }
done
[ $# -gt 0 ] && all=("$@")
cache=${CACHE:-$HOME/.cache/cull-testbed}
if ! command -v mmdebstrap >/dev/null; then
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap
fi
[ -f "$cache/ready" ] || { echo 'run testbed/drivers.sh first: it fetches the kernel'; exit 1; }

# the root depends on the script that makes it and on the kernel: the name says so
key=$(cat testbed/mkrootfs.sh <(basename "$cache"/k-arm64/lib/modules/*) | sha256sum | cut -c1-16)
root=$cache/root-$key.cpio
if [ ! -f "$root" ]; then
	rm -rf "$cache"/root-*.cpio "$cache/rootfs-arm64"
	testbed/mkrootfs.sh arm64 "$cache" "$cache/k-arm64" "$cache/mod-arm64" "$root.part" configfs vivid videodev
	mv "$root.part" "$root"
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export CGO_ENABLED=0
go build -o "$tmp/cull" ./device
go build -o "$tmp/bed" ./device/internal/bed

# a product, and parts of which this machine knows what becomes: the bits are the same in the emulated one
"$tmp/bed" draw good 80 "$tmp/good"
"$tmp/bed" draw parts 30 "$tmp/parts"
"$tmp/cull" teach --size 128 "$tmp/good" -o "$tmp/bed.product"
"$tmp/cull" inspect "$tmp/bed.product" "$tmp"/parts/*.png >"$tmp/verdicts" || true
good=$(grep '^PASS' "$tmp/verdicts" | grep -o '[^ ]*good.png$' | head -6)
bad=$(grep '^REJECT' "$tmp/verdicts" | grep -o '[^ ]*bad.png$' | head -6)
[ "$(wc -w <<<"$good")" = 6 ] && [ "$(wc -w <<<"$bad")" = 6 ] || { cat "$tmp/verdicts"; echo 'too few pictures'; exit 1; }

o=$tmp/overlay
mkdir -p "$o"/{usr/bin,usr/lib/systemd/system,usr/lib/systemd/catalog,usr/lib/sysusers.d,usr/lib/udev/rules.d,usr/lib/bed/parts} \
	"$o"/etc/{cull,systemd/system/multi-user.target.wants}
chmod 755 "$tmp" "$o"
GOARCH=arm64 go build -o "$o/usr/bin/cull" ./device
GOARCH=arm64 go build -o "$o/usr/lib/bed/bed" ./device/internal/bed
cp systemd/cull.service testbed/system/*.service "$o/usr/lib/systemd/system/"
mkdir -p "$o/etc/systemd/system/cull.service.d"
printf '[Service]\nWatchdogSec=40\n' >"$o/etc/systemd/system/cull.service.d/slow.conf" # for a machine this slow
cp systemd/cull.catalog "$o/usr/lib/systemd/catalog/"
cp systemd/cull.sysusers.conf "$o/usr/lib/sysusers.d/cull.conf"
cp systemd/70-cull.rules "$o/usr/lib/udev/rules.d/"
install -m 755 testbed/system/hw-up testbed/system/test "$o/usr/lib/bed/"
cp testbed/system/*.toml "$o/etc/cull/"
install -m 644 "$tmp/bed.product" "$o/etc/cull/bed.product"
i=0
for p in $good; do i=$((i + 1)); cp "$p" "$o/usr/lib/bed/parts/good$i.png"; done
i=0
for p in $bad; do i=$((i + 1)); cp "$p" "$o/usr/lib/bed/parts/bad$i.png"; done
echo "${all[@]}" >"$o/usr/lib/bed/select"
ln -s /usr/lib/systemd/system/bed-test.service "$o/etc/systemd/system/multi-user.target.wants/"
# the kernel unpacks one archive over the other
(cd "$o" && find . | sort | cpio -o -H newc --quiet -R 0:0) >"$tmp/overlay.cpio"
cat "$root" "$tmp/overlay.cpio" >"$tmp/root.cpio"

echo "testbed system: root $root, daemon under systemd"
timeout --foreground "${TIMEOUT:-1500}" qemu-system-aarch64 -M virt,gic-version=3 -cpu cortex-a72 -accel tcg,thread=multi -smp 2 -m 1536 \
	-nographic -nodefaults -serial stdio -monitor none -no-reboot -kernel "$cache/k-arm64/vmlinuz" -initrd "$tmp/root.cpio" \
	-append 'console=ttyAMA0 panic=-1 quiet loglevel=3 systemd.show_status=${SHOW:-false} systemd.unified_cgroup_hierarchy=1' </dev/null |
	sed -u 's/\r$//' | tee "$tmp/log" || true
rc=$(sed -n 's/.*BED-EXIT:\([0-9]*\).*/\1/p' "$tmp/log" | tail -1)
# a machine that stopped half-way, and a test without checks, prove nothing
if [ -z "$rc" ]; then rc=124; fi
if [ "$(grep -c '^ok ' "$tmp/log")" -lt ${#all[@]} ]; then echo 'too few checks'; rc=1; fi
if [ "$rc" = 0 ]; then echo 'testbed system: PASS'; else echo "testbed system: FAIL ($rc)"; fi
exit "$rc"
