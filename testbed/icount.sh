#!/bin/bash
# icount.sh [KERNEL...]: instructions that the arm64 kernels (generic, neon, neondot, neoni8mm; default all) execute on the
# shipped network, counted under qemu-user in about a minute of CPU time. Needs root to install what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
want() { command -v "$1" >/dev/null || need+=("${@:2}"); }
want qemu-aarch64 qemu-user
want gcc gcc libc6-dev
if [ ${#need[@]} -gt 0 ]; then
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${need[@]}"
fi
go run ./testbed/icount "$@"
