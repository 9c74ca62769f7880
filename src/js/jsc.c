#include "js/jsc.h"

#include <dlfcn.h>

struct jsc jsc;

static const char *const LIBRARIES[] = {
	"libjavascriptcoregtk-4.1.so.0",
	"libjavascriptcoregtk-6.0.so.1",
};

static void *open_library(struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(LIBRARIES); i++) {
		void *lib = dlopen(LIBRARIES[i], RTLD_NOW | RTLD_LOCAL);
		if (lib)
			return lib;
	}
	const char *why = dlerror();
	err_set(err, ERR_NOT_FOUND, "JavaScriptCore cannot be loaded: %s (install %s)",
		why ? why : "unknown reason", LIBRARIES[0]);
	return NULL;
}

static int find(void *lib, const char *name, void *ret_fn, struct err *err)
{
	void *fn = dlsym(lib, name);

	if (!fn)
		return err_set(err, ERR_NOT_FOUND,
			"this JavaScriptCore has no %s (use a release that has: 2.50 does)", name);
	memcpy(ret_fn, &fn, sizeof(fn));
	return 0;
}

int jsc_open(struct err *err)
{
	void *lib = open_library(err);

	if (!lib)
		return err->code;
#define JSC(name) TRY(find(lib, "JS" #name, &jsc.name, err));
#define JSC_HIDDEN(ret, name, args) TRY(find(lib, "JS" #name, &jsc.name, err));
#include "js/jsc.def"
#undef JSC
#undef JSC_HIDDEN
	return 0;
}
