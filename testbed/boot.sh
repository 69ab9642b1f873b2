#!/bin/bash
# boot.sh ARCH KERNEL INITRD TESTDIR [TIMEOUT_S]: boots KERNEL under qemu-system with TESTDIR as /tests, prints its console, exits with the test's status.
# env: SMP (2) MEM (512) ACCEL (tcg,thread=multi) QEMU_EXTRA
set -euo pipefail
arch=$1 kernel=$2 initrd=$3 tests=$4 limit=${5:-300}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
# the kernel unpacks concatenated cpio archives one over the other: the big one is built once, the tests are appended
(cd "$tests/.." && d=$(basename "$tests") && mkdir -p "$tmp/s" && cp -r "$d" "$tmp/s/tests" && cd "$tmp/s" && find tests | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$tmp/t.gz"
cat "$initrd" "$tmp/t.gz" >"$tmp/initrd"
common="console=%s panic=-1 quiet loglevel=4 ${APPEND:-}"
case $arch in
amd64) q=(qemu-system-x86_64 -M q35 -cpu max -accel "${ACCEL:-tcg,thread=multi}"); con=ttyS0 ;;
arm64) q=(qemu-system-aarch64 -M virt,gic-version=3 -cpu "${CPU:-cortex-a72}" -accel "${ACCEL:-tcg,thread=multi}"); con=ttyAMA0 ;;
*) echo "unknown arch $arch" >&2; exit 2 ;;
esac
t0=$(date +%s.%N)
timeout --foreground "$limit" "${q[@]}" -smp "${SMP:-2}" -m "${MEM:-512}" -nographic -nodefaults -serial stdio -monitor none -no-reboot \
	-kernel "$kernel" -initrd "$tmp/initrd" -append "$(printf "$common" $con)" ${QEMU_EXTRA:-} </dev/null | tr -d '\r' | tee "$tmp/log" || true
t1=$(date +%s.%N)
echo "BED wall $(echo "$t1 - $t0" | bc)s"
rc=$(sed -n 's/.*BED-EXIT:\([0-9]*\).*/\1/p' "$tmp/log" | tail -1)
exit "${rc:-124}"
