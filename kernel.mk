# SPDX-License-Identifier: GPL-2.0
# The pin: the kernel that the series is made for, and where its source comes
# from when KDIR= does not name a tree of your own.
BASE         := 6.12
BASE_PACKAGE := linux-source-6.12
BASE_TARBALL := /usr/src/linux-source-6.12.tar.xz
