#!/bin/bash
# drivers.sh [GO TEST FLAGS]: the drivers' tests as arm64 code in an emulated machine with Debian's kernel, with vivid
# as the camera and gpio-sim as the GPIO chip. Prints PASS or FAIL. Times seen in it are the emulation's, never a board's.
# Needs root to install what is missing. Downloads (300 MB) are kept in CACHE (~/.cache/cull-testbed).
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${CACHE:-$HOME/.cache/cull-testbed}
packages=(./capture/v4l2 ./capture/cameras ./reject/gpio ./device/internal/doctor ./reject/pulse)

need=()
want() { command -v "$1" >/dev/null || need+=("${@:2}"); }
want qemu-system-aarch64 qemu-system-arm ipxe-qemu
want aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
want gcc-12 gcc-12
want make make
want modprobe kmod
want cpio cpio
want xz xz-utils
want bc bc
if [ ${#need[@]} -gt 0 ]; then
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${need[@]}"
fi

if [ ! -f "$cache/ready" ]; then
	testbed/fetch.sh arm64 "$cache"
	touch "$cache/ready"
fi
initrd=$cache/initrd-arm64.gz
testbed/mkinitrd.sh arm64 "$cache/k-arm64" "$cache/mod-arm64" "$cache/bb-arm64/bin/busybox" "$initrd" configfs vivid

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/tests"
for p in "${packages[@]}"; do
	GOARCH=arm64 CGO_ENABLED=0 go test -c -o "$tmp/tests/$(basename "$p").test" "$p"
done
cat >"$tmp/tests/run.sh" <<R
#!/bin/sh
load vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0
export CULL_TESTBED=1 CULL_TESTBED_SIM=\$(gpiosim-up bed-chip 8)
rc=0
for x in ./*.test; do
	echo "=== \$x"
	\$x -test.v -test.timeout 120s $* || rc=1
done
exit \$rc
R
chmod +x "$tmp/tests/run.sh"
rc=0
testbed/boot.sh arm64 "$cache/k-arm64/vmlinuz" "$initrd" "$tmp/tests" 300 | tee "$tmp/log" || rc=$?
# a skipped test proves nothing here, and the kernel's tests must have run
if grep -q -- '--- SKIP' "$tmp/log"; then rc=1; echo 'a test was skipped'; fi
if [ "$(grep -c -- '--- PASS: TestKernel' "$tmp/log")" -lt 1 ]; then rc=1; echo 'no test met the kernel'; fi
if [ "$rc" = 0 ]; then echo 'testbed drivers: PASS'; else echo "testbed drivers: FAIL ($rc)"; fi
exit "$rc"
