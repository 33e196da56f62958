/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's <linux/types.h>. The fields of a tracepoint have types of the kernel's, which
 * bpftrace knows from BTF. That takes debug information, with which no kernel of ours is
 * built; then it looks for this header. These are what eventfd's tracepoints use.
 */
typedef unsigned long long u64;
typedef _Bool bool;
typedef int pid_t;
