#include "data/uuid.h"

#include <openssl/evp.h>
#include <sys/random.h>

const struct uuid UUID_NIL;

static struct uuid stamped(struct uuid u, unsigned version)
{
	u.bytes[6] = (uint8_t)((u.bytes[6] & 0x0F) | version << 4);
	u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3F) | 0x80);
	return u;
}

static void fill_random(void *p, size_t n)
{
	/* getentropy gives all of up to 256 bytes or fails, which a working kernel never does. */
	int rc = getentropy(p, n);
	assert(rc == 0);
}

struct uuid uuid_v4(void)
{
	struct uuid u;

	fill_random(u.bytes, sizeof(u.bytes));
	return stamped(u, 4);
}

struct uuid uuid_v5(struct uuid space, struct sv name)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct uuid u;
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	assert(md);
	bool ok = EVP_DigestInit_ex(md, EVP_sha1(), NULL) &&
		  EVP_DigestUpdate(md, space.bytes, sizeof(space.bytes)) &&
		  EVP_DigestUpdate(md, name.ptr ? name.ptr : "", name.len) &&
		  EVP_DigestFinal_ex(md, digest, NULL);
	EVP_MD_CTX_free(md);
	assert(ok);
	memcpy(u.bytes, digest, sizeof(u.bytes));
	return stamped(u, 5);
}

struct uuid uuid_v7(int64_t now_ms)
{
	struct uuid u;

	fill_random(u.bytes, sizeof(u.bytes));
	for (int i = 0; i < 6; i++)
		u.bytes[i] = (uint8_t)((uint64_t)now_ms >> (40 - 8 * i));
	return stamped(u, 7);
}

char *uuid_format(struct uuid u, char out[UUID_TEXT_SIZE])
{
	char *at = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = "0123456789abcdef"[u.bytes[i] >> 4];
		*at++ = "0123456789abcdef"[u.bytes[i] & 15];
	}
	*at = 0;
	return out;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(struct sv text, struct uuid *ret)
{
	struct uuid u = UUID_NIL;
	size_t n = 0; /* digits so far */

	if (text.len != UUID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		int v = nibble(text.ptr[i]);
		if (hyphen ? text.ptr[i] != '-' : v < 0)
			return false;
		if (hyphen)
			continue;
		u.bytes[n / 2] = (uint8_t)(u.bytes[n / 2] << 4 | v);
		n++;
	}
	unsigned version = u.bytes[6] >> 4;
	bool nil = memcmp(u.bytes, UUID_NIL.bytes, sizeof(u.bytes)) == 0;
	if (!nil && (version < 1 || version > 8 || u.bytes[8] >> 6 != 2))
		return false;
	*ret = u;
	return true;
}

bool uuid_is_valid(struct sv text)
{
	struct uuid u;
	return uuid_parse(text, &u);
}
