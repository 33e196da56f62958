/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel modules, loaded and asked by tests. */
#ifndef SELFTESTS_MODULE_H
#define SELFTESTS_MODULE_H

#include "eventfd.h"

#include <stdarg.h>

static inline const char *dir(const char *env, const char *usual)
{
	return getenv(env) ?: usual;
}

/* Loads MODULES/@name.ko with parameters: 0 or -errno. */
static inline int __attribute__((format(printf, 2, 3)))
load(const char *name, const char *format, ...)
{
	char path[256], params[256];
	va_list args;
	int fd, ret;

	va_start(args, format);
	vsnprintf(params, sizeof(params), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s.ko", dir("MODULES", "/modules"), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = RET(syscall(SYS_finit_module, fd, params, 0));
	close(fd);
	return ret;
}

static inline int unload(const char *name)
{
	return RET(syscall(SYS_delete_module, name, O_NONBLOCK));
}

static inline FILE *param_open(const char *module, const char *name, const char *mode)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	return fopen(path, mode);
}

/* What the parameter reads, good until the next call. */
static inline const char *param(const char *module, const char *name)
{
	FILE *f = param_open(module, name, "r");
	static char line[512];

	if (!f)
		return "(absent)";
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	return line;
}

/* Whether the kernel has @function; and where its code begins, and what comes after it does. */
static inline bool code_of(const char *function, unsigned long long *start,
			   unsigned long long *end)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long address;
	bool found = false;
	char line[512], type, name[256];

	/* in the order of their addresses, which are 0 for who may not see them */
	*start = *end = 0;
	while (f && (!found || *end <= *start) && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %255s", &address, &type, name) != 3)
			continue;
		*end = address;
		if (!found && (type == 't' || type == 'T') && !strcmp(name, function)) {
			*start = address;
			found = true;
		}
	}
	if (f)
		fclose(f);
	return found;
}

static inline bool in_kallsyms(const char *function)
{
	unsigned long long start, end;

	return code_of(function, &start, &end);
}

#endif /* SELFTESTS_MODULE_H */
