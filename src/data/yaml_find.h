/*
 * Where something is in a YAML text, for messages about what a loaded value means: values keep no
 * positions, so the text is read again when there is something to complain about. Pure, any thread.
 */
#pragma once

#include "base/base.h"

/*
 * The line (from 1) of what `path`, as the getters of json.h write it ("$.proxy.retry[1].at: ..."),
 * leads to within the member `key` of the text's mapping; of the deepest part of it that is there.
 * 0 when there is no such member.
 */
size_t yaml_line_of(struct sv text, struct sv key, struct sv path);
