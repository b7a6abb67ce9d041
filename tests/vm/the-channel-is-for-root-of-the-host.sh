#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# /dev/tidemark is refused to whoever lacks CAP_SYS_ADMIN in the first user
# namespace, when it is opened and again in each call: another user, root without
# the capability, root of a user namespace, and any of them with a channel that
# somebody else has opened and bound. A ring larger than memory is refused, and
# nobody is killed for it.
#
# vm: disks=32M mem=768 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup channelcalls

load_module
check dmsetup create volume --table "0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0"
cleanup dmsetup remove volume
[ "$(stat -c '%a %u %g' /dev/tidemark)" = '600 0 0' ] || fail "$(stat -c '%a %u %g' /dev/tidemark)"

# Not even where the node's mode would let them in.
check chmod 666 /dev/tidemark
cleanup chmod 600 /dev/tidemark
check channelcalls /dev/mapper/volume user
check channelcalls /dev/mapper/volume capability
check channelcalls /dev/mapper/volume namespace
check channelcalls /dev/mapper/volume ring-beyond-memory
check channelcalls /dev/mapper/volume after-close
