# SPDX-License-Identifier: GPL-2.0
#
# How the suites of a directory below this one are built, as ./Makefile does it here:
# KSFT_DIR names the tools/testing/selftests of a kernel tree.
KSFT_DIR ?= ../..

CFLAGS += -O1 -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter -Wno-clobbered -std=gnu11
CFLAGS += -static -pthread -I.. -I$(KSFT_DIR) $(KHDR_INCLUDES)

TEST_GEN_PROGS := $(patsubst %.c,%,$(wildcard *_test.c))
# what they are built again for
LOCAL_HDRS := $(wildcard *.h ../*.h) ../below.mk

include $(KSFT_DIR)/lib.mk
