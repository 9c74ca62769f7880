/*
 * YAML files (configuration, provider catalogues) into the values of json.h. Plain scalars are
 * resolved by the YAML 1.2 core schema (`yes` is a string, `0o17` is 15); anchors, aliases,
 * application tags, duplicate keys and several documents are refused. Pure but for
 * yaml_load_file, any thread.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

struct json_t;

#define YAML_SIZE_MAX (16u << 20)
#define YAML_DEPTH_MAX 64

/*
 * `name` appears in errors: "providers.yaml:12:5: found character that cannot start any token".
 * An empty document is null.
 */
int yaml_load(struct sv text, const char *name, struct json_t **ret, struct err *err);
int yaml_load_file(const char *path, struct json_t **ret, struct err *err);
/* The text of a file; `out` is initialised here. ERR_LIMIT over YAML_SIZE_MAX. */
int yaml_read_file(const char *path, struct buf *out, struct err *err);
