/*
 * Between C and JavaScript values. Nothing here runs code of a function: texts are made only of
 * values that are strings already, and properties are read only from objects of the prelude.
 */
#pragma once

#include "base/buf.h"
#include "js/jsc.h"

/* A JavaScript string with U+FFFD for what is not UTF-8. */
JSValueRef value_text(JSContextRef ctx, struct sv text);
/* The same, NULL when there is something that is not UTF-8. */
JSValueRef value_text_strict(JSContextRef ctx, struct sv text);
JSStringRef value_jsstring(struct sv text);

/* Appends the UTF-8 of a string to out; false when v is no string. */
bool value_add_text(JSContextRef ctx, JSValueRef v, struct buf *out);

/* Appends a string as UTF-8 or a typed array as it is; false for anything else. */
bool value_add_bytes(JSContextRef ctx, JSValueRef v, struct buf *out);

/* The bytes of a typed array, borrowed until JavaScript runs again; absent for anything else. */
struct sv value_bytes(JSContextRef ctx, JSValueRef v);

/* A Uint8Array that owns a copy of bytes. */
JSValueRef value_from_bytes(JSContextRef ctx, struct sv bytes);

/* A property of a trusted object; undefined when absent. */
JSValueRef value_get(JSContextRef ctx, JSObjectRef object, const char *name);
void value_set(JSContextRef ctx, JSObjectRef object, const char *name, JSValueRef value);

/* Whole numbers of trusted objects; `otherwise` when there is no number. */
int64_t value_i64(JSContextRef ctx, JSValueRef v, int64_t otherwise);

/* Makes *ret_exception an Error with that message. Returns NULL for `return value_throw(...)`. */
JSValueRef value_throw(JSContextRef ctx, const char *message, JSValueRef *ret_exception);

/* The message and position of an exception of trusted code (the prelude), for our own log. */
void value_describe(JSContextRef ctx, JSValueRef exception, struct buf *out);
