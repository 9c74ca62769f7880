#include "js/value.h"

#include "base/mem.h"
#include "js/utf8.h"

#include <stdio.h>

/* Short texts are decoded on the stack. */
enum { STACK_UNITS = 512 };

static JSStringRef decode(struct sv text, bool *ret_valid)
{
	uint16_t few[STACK_UNITS];
	own_mem uint16_t *many = NULL;
	uint16_t *units = few;

	if (text.len > STACK_UNITS)
		units = many = mem_alloc(text.len * sizeof(*units));
	size_t n = utf8_to_utf16(text, units, ret_valid);
	return jsc.StringCreateWithCharacters(units, n);
}

static JSValueRef adopt(JSContextRef ctx, JSStringRef s)
{
	JSValueRef v = jsc.ValueMakeString(ctx, s);

	jsc.StringRelease(s);
	return v;
}

JSStringRef value_jsstring(struct sv text)
{
	bool valid;

	return decode(text, &valid);
}

JSValueRef value_text(JSContextRef ctx, struct sv text)
{
	return adopt(ctx, value_jsstring(text));
}

JSValueRef value_text_strict(JSContextRef ctx, struct sv text)
{
	bool valid;
	JSStringRef s = decode(text, &valid);

	if (valid)
		return adopt(ctx, s);
	jsc.StringRelease(s);
	return NULL;
}

static void add_string(JSStringRef s, struct buf *out)
{
	size_t max = jsc.StringGetMaximumUTF8CStringSize(s);
	char *to = buf_reserve(out, max);

	if (to)
		buf_grow(out, jsc.StringGetUTF8CString(s, to, max) - 1);
}

bool value_add_text(JSContextRef ctx, JSValueRef v, struct buf *out)
{
	if (!jsc.ValueIsString(ctx, v))
		return false;
	JSStringRef s = jsc.ValueToStringCopy(ctx, v, NULL);
	if (!s)
		return false;
	add_string(s, out);
	jsc.StringRelease(s);
	return true;
}

struct sv value_bytes(JSContextRef ctx, JSValueRef v)
{
	if (jsc.ValueGetTypedArrayType(ctx, v, NULL) != kJSTypedArrayTypeUint8Array)
		return SV_NULL;
	JSObjectRef array = (JSObjectRef)v;
	size_t len = jsc.ObjectGetTypedArrayByteLength(ctx, array, NULL);
	const char *start = jsc.ObjectGetTypedArrayBytesPtr(ctx, array, NULL);
	if (!start || !len)
		return SV_LIT("");
	return sv_make(start + jsc.ObjectGetTypedArrayByteOffset(ctx, array, NULL), len);
}

bool value_add_bytes(JSContextRef ctx, JSValueRef v, struct buf *out)
{
	if (value_add_text(ctx, v, out))
		return true;
	struct sv bytes = value_bytes(ctx, v);
	buf_sv_add(out, bytes);
	return bytes.ptr != NULL;
}

static void free_bytes(void *bytes, void *ctx UNUSED)
{
	mem_free(bytes);
}

JSValueRef value_from_bytes(JSContextRef ctx, struct sv bytes)
{
	char *copy = mem_alloc(bytes.len + 1);

	memcpy(copy, bytes.ptr ? bytes.ptr : "", bytes.len);
	return jsc.ObjectMakeTypedArrayWithBytesNoCopy(
		ctx, kJSTypedArrayTypeUint8Array, copy, bytes.len, free_bytes, NULL, NULL);
}

JSValueRef value_get(JSContextRef ctx, JSObjectRef object, const char *name)
{
	JSStringRef key = jsc.StringCreateWithUTF8CString(name);
	JSValueRef v = jsc.ObjectGetProperty(ctx, object, key, NULL);

	jsc.StringRelease(key);
	return v ? v : jsc.ValueMakeUndefined(ctx);
}

void value_set(JSContextRef ctx, JSObjectRef object, const char *name, JSValueRef value)
{
	JSStringRef key = jsc.StringCreateWithUTF8CString(name);

	jsc.ObjectSetProperty(ctx, object, key, value, kJSPropertyAttributeNone, NULL);
	jsc.StringRelease(key);
}

int64_t value_i64(JSContextRef ctx, JSValueRef v, int64_t otherwise)
{
	double d = jsc.ValueToNumber(ctx, v, NULL);

	/* Also false for NaN, which is what undefined becomes. */
	return d >= -9e15 && d <= 9e15 ? (int64_t)d : otherwise;
}

JSValueRef value_throw(JSContextRef ctx, const char *message, JSValueRef *ret_exception)
{
	JSValueRef text = value_text(ctx, sv_str(message));

	*ret_exception = jsc.ObjectMakeError(ctx, 1, &text, NULL);
	return NULL;
}

void value_describe(JSContextRef ctx, JSValueRef exception, struct buf *out)
{
	static const char *const PARTS[] = { "message", "line", "stack" };
	JSObjectRef e =
		jsc.ValueIsObject(ctx, exception) ? jsc.ValueToObject(ctx, exception, NULL) : NULL;

	for (size_t i = 0; e && i < ARRAY_LEN(PARTS); i++) {
		JSStringRef s = jsc.ValueToStringCopy(ctx, value_get(ctx, e, PARTS[i]), NULL);
		if (!s)
			continue;
		buf_str(out, i ? " | " : "");
		add_string(s, out);
		jsc.StringRelease(s);
	}
}
