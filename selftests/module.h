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
__attribute__((format(printf, 2, 3)))
static inline int load(const char *name, const char *format, ...)
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

static inline bool in_kallsyms(const char *function)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512], type, name[256];
	bool yes = false;

	while (f && !yes && fgets(line, sizeof(line), f))
		yes = sscanf(line, "%*s %c %255s", &type, name) == 2 &&
		      (type == 't' || type == 'T') && !strcmp(name, function);
	if (f)
		fclose(f);
	return yes;
}

#endif /* SELFTESTS_MODULE_H */
