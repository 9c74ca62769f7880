/*
 * What JavaScript can ask of C. Only the prelude holds these functions; js/prelude/host.ts gives
 * their types. They trust the prelude's argument types but not its run ids: code of a run that is
 * over may still be calling.
 */
#pragma once

#include "js/realm.h"

/* The object that the prelude finds as __host. Its functions outlive the realm safely. */
JSObjectRef native_object(struct realm *r, bool harden);
