# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# What the host side of the VM harness shares: where things are cached, how a
# guest is started, and how its console is judged. Sourced, never run.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(cd "$vm_dir/../.." && pwd)
# Read by the scripts that source this file.
# shellcheck disable=SC2034
build_dir=$top_dir/build
cache_dir=${XDG_CACHE_HOME:-$HOME/.cache}/tidemark

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Run "$@" alone: two builds at once must not fill the cache side by side.
with_lock() {
	local name=$1
	shift
	mkdir -p "$cache_dir"
	(
		flock 9
		"$@"
	) 9>"$cache_dir/$name.lock"
}

# Kernel arguments of every guest.
#
# A splat must end the run, not scroll by: an oops panics and a panic leaves
# QEMU (-no-reboot). Emulation on a busy machine is slow but not stuck, so the
# stall and lockup detectors get two minutes instead of being switched off or
# ignored: what still trips them is a bug, and a task that is stuck for 90 s
# ends the guest like one. reboot=t skips the keyboard
# controller, which emulation answers slowly.
kernel_args() {
	echo "console=ttyS0 quiet loglevel=5 oops=panic panic=-1 reboot=t" \
		"tsc=reliable mitigations=off cryptomgr.notests" \
		"rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60" \
		"sysctl.kernel.hung_task_timeout_secs=90" \
		"sysctl.kernel.hung_task_panic=1" \
		"$*"
}

# What QEMU is given as -kernel: see tests/vm/kernel.
guest_kernel() {
	if [ -e "$1/vmlinux" ]; then
		echo "$1/vmlinux"
	else
		echo "$1/vmlinuz"
	fi
}

# QEMU with nothing but a kernel, processors and memory; the caller adds disks,
# serial ports and the kernel's arguments. Ends by itself after $1 seconds (0:
# never). $2 = accelerator, $3 = kernel directory, $4 = processors, $5 = MiB.
qemu() {
	local seconds=$1 accel=$2 kernel=$3 smp=$4 mem=$5
	shift 5
	timeout --foreground -k 5 "$seconds" \
		qemu-system-x86_64 -accel "$accel" -cpu max -smp "$smp" -m "$mem" \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$(guest_kernel "$kernel")" "$@"
}

# QEMU's words for disk file $1, number $2, on bus $3 with sectors of $4 bytes.
disk_on_bus() {
	local file=$1 n=$2 bus=$3 block=$4 device
	case $bus in
	virtio) device=virtio-blk-pci ;;
	nvme) device=nvme ;;
	scsi)
		device=scsi-hd
		[[ " ${disk_args[*]} " == *' virtio-scsi-pci '* ]] || disk_args+=(-device virtio-scsi-pci)
		;;
	*) die "no bus $bus for a disk" ;;
	esac
	disk_args+=(-drive "file=$file,if=none,id=disk$n,format=raw,cache=unsafe,discard=unmap"
		-device "$device,drive=disk$n,serial=tidemark-disk$n,logical_block_size=$block,physical_block_size=$block")
}

# Sparse disk files in directory $1, as list $2 names them: sizes, each perhaps
# with a bus and a sector size ("256M,64M:nvme,64M:scsi:4096"). What QEMU must be
# told goes to disk_args, their number to nr_disks. Nothing is synced to the
# host's disk: a guest that crashes is the case under test, a host that crashes
# is not.
# shellcheck disable=SC2034 # for the script that sources this file
make_disks() {
	local dir=$1 disk size bus block n=0
	disk_args=()
	for disk in ${2//,/ }; do
		IFS=: read -r size bus block <<<"$disk"
		truncate -s "$size" "$dir/disk$n"
		disk_on_bus "$dir/disk$n" "$n" "${bus:-virtio}" "${block:-512}"
		n=$((n + 1))
	done
	nr_disks=$n
}

# The first line of console log $1 on which the kernel reports a bug, if any.
# Only lines with printk's time stamp count: a test may print what it likes.
# A guest program that dies of a signal is a bug as well. The kernel's own data
# races are not: of those that KCSAN reports, the ones between functions of the
# core kernel do not count. Where allocations are made to fail, the core kernel says
# so with a call trace: with traces=expected, one alone is no report. warns= names the
# function of the kernel whose warning is its own affair.
find_splat() {
	local report='BUG: |WARNING: |Oops: |Kernel panic|general protection'
	report+='|[Uu]nable to handle|KASAN|KCSAN|UBSAN|DEBUG_LOCKS'
	report+='|INFO: task .* blocked|INFO: possible|kthread starved'
	report+='|rcu: INFO|rcu.* detected.* stall|list_[a-z]* corruption'
	report+='|kmemleak: [1-9]|use-after-free|refcount_t: |Bad page'
	report+='|scheduling while atomic|segfault at|traps: '
	[ "${traces:-}" = expected ] || report+='|Call Trace:'
	sed -e '/BUG: KCSAN: /{ /\[dm_tidemark\]/!d }' \
		-e "/WARNING: .* ${warns:-no function}+0x/,/---\[ end trace /d" "$1" |
		grep -aEm 1 "\[ *[0-9]+\.[0-9]{6}\].*($report)" | tr -d '\r'
}

# The first that went wrong by console log $1, in the test's own words; what follows from it
# is said behind it.
failure_of() {
	sed -n 's/\r$//; s/^.*FAILED: //p' "$1" | head -n 1
}

# What became of a guest, by its console log $1 and the verdict $2 it sent:
# "PASS", "SKIP reason" or "FAIL reason". The console comes first, because a
# test whose kernel complained has not passed whatever its script says.
judge() {
	local log=$1 verdict=$2 splat failure
	splat=$(find_splat "$log" || true)
	case $verdict in
	stuck) echo "FAIL still running when its time was over" ;;
	*) if [ -n "$splat" ]; then
		echo "FAIL kernel: ${splat#*\] }"
	else
		case $verdict in
		'exit 0') echo PASS ;;
		'skip '*) echo "SKIP ${verdict#skip }" ;;
		'exit '*)
			failure=$(failure_of "$log")
			echo "FAIL ${failure:-status ${verdict#exit }}"
			;;
		'tainted '*) echo "FAIL kernel tainted: ${verdict#tainted }" ;;
		*) echo "FAIL the guest ended without a verdict" ;;
		esac
	fi ;;
	esac
}
