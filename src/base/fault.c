#include "base/fault.h"

#ifdef TIDEMARK_TEST_HOOKS

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
	pthread_mutex_t lock;
	bool read, kill, fired, always;
	char name[64], text[128];
	long left; /* hits until it fires; 0 = never */
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void fault_parse(const char *spec)
{
	fault.read = true;
	fault.fired = fault.kill = fault.always = false;
	fault.left = 0;
	fault.name[0] = fault.text[0] = 0;
	size_t n = spec ? strcspn(spec, ":") : 0;
	if (n == 0 || n >= sizeof(fault.name))
		return;
	memcpy(fault.name, spec, n);
	fault.name[n] = 0;
	spec += n;
	fault.always = strcmp(spec, ":always") == 0;
	if (strncmp(spec, ":=", 2) == 0)
		snprintf(fault.text, sizeof(fault.text), "%s", spec + 2);
	if (fault.always || fault.text[0])
		return;
	fault.left = *spec == ':' ? strtol(spec + 1, NULL, 10) : 1;
	fault.kill = strstr(spec, ":kill") != NULL;
	if (fault.left == 0 && fault.kill)
		fault.left = 1;
}

void fault_set(const char *spec)
{
	pthread_mutex_lock(&fault.lock);
	fault_parse(spec);
	pthread_mutex_unlock(&fault.lock);
}

bool fault_always(const char *name)
{
	pthread_mutex_lock(&fault.lock);
	if (!fault.read)
		fault_parse(getenv("TIDEMARK_FAULT"));
	bool on = fault.always && strcmp(fault.name, name) == 0;
	pthread_mutex_unlock(&fault.lock);
	return on;
}

const char *fault_text(const char *name)
{
	pthread_mutex_lock(&fault.lock);
	if (!fault.read)
		fault_parse(getenv("TIDEMARK_FAULT"));
	bool on = fault.text[0] && strcmp(fault.name, name) == 0;
	pthread_mutex_unlock(&fault.lock);
	return on ? fault.text : NULL;
}

bool fault_fired(void)
{
	pthread_mutex_lock(&fault.lock);
	bool fired = fault.fired;
	pthread_mutex_unlock(&fault.lock);
	return fired;
}

int fault_hit(const char *name, struct err *err)
{
	pthread_mutex_lock(&fault.lock);
	if (!fault.read)
		fault_parse(getenv("TIDEMARK_FAULT"));
	bool counts = fault.left > 0 && (!strcmp(fault.name, "*") || !strcmp(fault.name, name));
	bool fire = counts && --fault.left == 0;
	fault.fired |= fire;
	pthread_mutex_unlock(&fault.lock);
	if (!fire)
		return 0;
	if (fault.kill)
		raise(SIGKILL);
	return err_set(err, ERR_IO, "fault point %s", name);
}

#else
typedef int fault_unused; /* an empty translation unit is not C */
#endif
