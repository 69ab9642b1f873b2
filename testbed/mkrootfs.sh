#!/bin/bash
# mkrootfs.sh ARCH WORKDIR KDIR MODDIR OUT MODULE... : a Debian root with systemd, packed as an initramfs (runs from RAM, no block device, no qemu-user, no root file system driver).
# Packages are only unpacked (mmdebstrap --variant=extract): no maintainer script runs, so no foreign binary runs on this machine.
# env: INCLUDE (more packages), SUITE (bookworm), MIRROR
set -euo pipefail
arch=$1 work=$2 kdir=$3 moddir=$4 out=$5; shift 5
suite=${SUITE:-bookworm}
# the archives that this system's own apt uses
uris=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | sort -u)
mirror=${MIRROR:-$(grep -v security <<<"$uris" | head -1)} sec=${SECURITY:-$(grep security <<<"$uris" | head -1)}
r=$work/rootfs-$arch
kver=$(basename "$(echo "$kdir"/lib/modules/*)")
if [ ! -e "$r/.extracted" ]; then
	rm -rf "$r"
	mmdebstrap --quiet --variant=extract --architectures="$arch" --aptopt='Acquire::Languages "none"' \
		--include="systemd,systemd-sysv,udev,libnss-systemd,base-passwd,base-files,coreutils,bash,dash,util-linux,mount,kmod,grep,sed${INCLUDE:+,$INCLUDE}" \
		"$suite" "$r" "deb $mirror $suite main" "deb $mirror $suite-updates main" "deb $sec $suite-security main"
	rm -rf "$r"/usr/share/{doc,man,locale,zoneinfo,info,i18n,perl,bash-completion,lintian,zsh,common-licenses} "$r"/usr/lib/*/gconv "$r"/usr/lib/*/perl* "$r"/usr/lib/udev/hwdb.d \
		"$r"/var/cache/apt "$r"/var/lib/apt "$r"/var/lib/dpkg/info
	cp "$r/usr/share/base-passwd/passwd.master" "$r/etc/passwd"; cp "$r/usr/share/base-passwd/group.master" "$r/etc/group"
	: >"$r/etc/fstab"; echo bed >"$r/etc/hostname"; : >"$r/etc/machine-id"
	printf 'passwd: files systemd\ngroup: files systemd\nshadow: files\n' >"$r/etc/nsswitch.conf"
	# only what the test needs starts
	for u in systemd-networkd systemd-resolved systemd-timesyncd systemd-hwdb-update systemd-update-utmp systemd-random-seed systemd-firstboot getty@tty1 serial-getty@ttyAMA0 serial-getty@ttyS0 \
		e2scrub_reap fstrim.timer apt-daily.timer ldconfig systemd-journal-catalog-update systemd-update-done systemd-pstore systemd-boot-system-token systemd-machine-id-commit; do
		case $u in *.timer) ;; *) u=$u.service ;; esac
		ln -sf /dev/null "$r/etc/systemd/system/$u"
	done
	mkdir -p "$r/etc/systemd/journald.conf.d"; printf '[Journal]\nStorage=persistent\nForwardToConsole=no\n' >"$r/etc/systemd/journald.conf.d/bed.conf"; mkdir -p "$r/var/log/journal"
	ln -sf /lib/systemd/system/multi-user.target "$r/etc/systemd/system/default.target"
	ln -sf lib/systemd/systemd "$r/init"
	touch "$r/.extracted"
fi
md=$r/lib/modules/$kver; rm -rf "$md"; mkdir -p "$md/extra"
cp "$kdir/lib/modules/$kver"/modules.builtin* "$kdir/lib/modules/$kver/modules.order" "$md/"
[ -f "$kdir/lib/modules/$kver/modules.dep" ] || depmod -b "$kdir" "$kver"
for m in "$@"; do modprobe -d "$kdir" -S "$kver" --show-depends "$m" | while read -r verb path _; do
	[ "$verb" = insmod ] || continue
	rel=${path#*lib/modules/$kver/}; mkdir -p "$md/$(dirname "$rel")"; cp "$path" "$md/$rel"
done; done
cp "$moddir"/*.ko "$md/extra/"; depmod -b "$r" "$kver"
(cd "$r" && find . -xdev | sort | cpio -o -H newc --quiet -R 0:0) >"$out"
ls -l "$out"
