#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Files that a cut holds are removed and trimmed while it is read: the image still
# has them. A discard too large to preserve is dropped, not the cut.
#
# vm: disks=256M mem=1280 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent fstrim

cut_is_active() {
	[[ $(dmsetup status volume) == *' active '* ]]
}

load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
mkdir /mnt/data/small /mnt/data/large
for i in $(seq 40); do
	head -c 100000 /dev/urandom >"/mnt/data/small/$i"
done
head -c 80000000 /dev/urandom >/mnt/data/large/file
check dmsetup create volume --table "0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0"
cleanup dmsetup remove volume

sync_and_freeze /mnt/data
check dd if=/dev/vda of=/tmp/truth bs=1M iflag=direct status=none
rawagent image /dev/mapper/volume /dev/vda /tmp/image full slow=3000 >/tmp/said &
reader=$!
wait_until 10 cut_is_active
thaw /mnt/data
rm -r /mnt/data/small /mnt/data/large
sync
check fstrim -v /mnt/data
kill -0 "$reader" || fail "the reader was done before the trim: nothing was proved"
dmsetup status volume
wait "$reader"
cat /tmp/said
same_device /tmp/image /tmp/truth
[[ $(dmsetup status volume) == *' lost 0 '* ]] || fail "the cut was lost"
[[ $(dmsetup status volume) != *' dropped 0 '* ]] || fail "no discard was too large: nothing was proved"
