#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# An encrypted volume, the disk below it, and both at once. Above, the image holds
# what was meant to be secret; below, it does not.
#
# vm: disks=48M mem=1024 timeout=200

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:dm-crypt module:xts dmsetup rawagent same

key=$(printf '%064d' 1)
sectors=$(blockdev --getsz /dev/vda)

# open_secret [OPTION...]: dm-crypt with these options, in use
open_secret() {
	check dmsetup create secret --table \
		"0 $((sectors - 4096)) crypt aes-xts-plain64 $key 0 /dev/vda 4096 $# $*"
	put_in_use /dev/mapper/secret
}

close_secret() {
	put_out_of_use
	check dmsetup remove secret
}

load_module
check modprobe -a dm-crypt xts
open_secret allow_discards
track below /dev/vda
prove_in_use below
track above /dev/mapper/secret
prove_in_use above below
echo 'the very secret of this volume' >/mnt/data/secret
exact_when_frozen above below
grep -q 'the very secret' /tmp/image.above || fail "not in the image above"
! grep -q 'the very secret' /tmp/image.below || fail "in the image below"
untrack below
prove_in_use above
untrack above
close_secret

echo "== encrypted in the submitter's own context, not in a worker's"
open_secret no_read_workqueue no_write_workqueue
track above /dev/mapper/secret
track below /dev/vda
prove_in_use above below
untrack above
untrack below
close_secret
