# SPDX-License-Identifier: GPL-2.0
# The pin: the kernel that the series is made for when neither BASE= nor KDIR= says
# which, by a knob or the environment. patches/series-X.Y is for another one, X.Y.
BASE ?= 6.12
