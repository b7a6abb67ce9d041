# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# Machines with a whole system on a disk, for tests whose head has "# vm: system=NAME".
# For run and debian, sourced after host.sh; uses run's $work, $kernel and what read_needs
# sets.
#
# The host starts the kernel, as for all guests: that needs no boot loader, and vmlinux
# no decompression. The initramfs is read from the root disk before each boot, so it is
# always the one that initramfs-tools has made last, there or in the guest.
#
# Each test has a copy of the cached disk, sparse, half a second to make.

: "${vm_dir:?}" "${top_dir:?}" "${build_dir:?}"

# Bytes in front of the root file system, on the disk that tests/vm/debian makes.
partition_start=1048576

# Why there are no such machines, if there are none.
no_system() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "skip making a system takes root"
	elif [[ ${KERNEL:-6.1} != 6.1 ]]; then
		echo "skip Debian 12 has no kernel $KERNEL"
	fi
}

# What tests "$@" ask for, below $work/system.
# shellcheck disable=SC2154 # the script that sources this file has them
prepare_systems() {
	local name names
	# A test may ask for one that no other does.
	names=$(sed -nE 's/^# vm:.* system=([^ ]+).*/\1/p' "$@" | sort -u)
	[ -n "$names" ] && [ -z "$(no_system)" ] || return 0
	mkdir -p "$work/system"
	for name in $names; do
		ln -s "$("$vm_dir/debian" "$kernel" "$name")" "$work/system/$name"
	done
	share "$work/system/share" "$@"
}

# share DIR TEST...: what guests mount as /vm.
share() {
	local dir=$1
	shift
	mkdir -p "$dir/test"
	install -m 755 "$vm_dir/init-system" "$dir/"
	cp "$vm_dir"/{guest,lib*}.sh "$dir/"
	cp "$@" "$dir/test/"
	cp -r "$build_dir/vm/bin" "$dir/"
	pack_product "$dir/product.tar" "$(<"$kernel/abi")"
}

# What "make install" puts where, and the modules that tests load beside ours.
pack_product() {
	local out=$1 abi=$2 root=$work/system/product
	make --no-print-directory -s -C "$top_dir" install DESTDIR="$root" KVER="$abi" >/dev/null
	[ ! -d "$build_dir/kmod/$abi/tests" ] ||
		install -m 644 -t "$root/lib/modules/$abi/updates" "$build_dir/kmod/$abi/tests"/*.ko
	tar -C "$root" --owner=root --group=root -cf "$out" .
}

# The root disk of a test that asks for $system, in its scratch directory $1; and what
# else QEMU and the kernel are to be told. It comes behind the disks that the test names.
# shellcheck disable=SC2034,SC2154 # for the script that sources this file, from it
add_root_disk() {
	local scratch=$1
	cp --sparse=always "$(readlink -f "$work/system/$system")" "$scratch/root"
	disk_args+=(-drive "file=$scratch/root,if=none,id=root,format=raw,cache=unsafe,discard=unmap"
		-device "virtio-blk-pci,drive=root,serial=tidemark-root"
		-virtfs "local,path=$work/system/share,mount_tag=vm,security_model=none,readonly=on")
	# Its default of 90 s is too little for a boot on a busy machine (see kernel_args).
	args+=" root=LABEL=root ro systemd.default_timeout_start_sec=400 systemd.log_color=no"
	initramfs=$scratch/initrd
}

# read_initrd DISK OUT. What was written shortly before a hard reset may only be in the
# file system's journal; it is replayed in a copy, because the guest is to find its disk
# as it has left it.
read_initrd() {
	local disk=$1 out=$2 copy=''
	if dumpe2fs -h "$disk?offset=$partition_start" 2>/dev/null | grep -q needs_recovery; then
		copy=$disk.replayed
		cp --sparse=always "$disk" "$copy"
		e2fsck -fy "$copy?offset=$partition_start" >/dev/null 2>&1 || true
		disk=$copy
	fi
	debugfs -R "dump /boot/initrd.img-$(<"$kernel/abi") $out" \
		"$disk?offset=$partition_start" 2>/dev/null
	[ -z "$copy" ] || rm -f "$copy"
}
