#include "data/jsnum.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static char *put(char *at, const char *from, size_t n)
{
	memcpy(at, from, n);
	return at + n;
}

static char *put_zeros(char *at, size_t n)
{
	memset(at, '0', n);
	return at + n;
}

static char *put_exponent(char *at, int64_t e)
{
	char tmp[24];
	int n = snprintf(tmp, sizeof(tmp), "e%c%lld", e < 0 ? '-' : '+', llabs((long long)e));
	return put(at, tmp, (size_t)n);
}

size_t jsnum_layout(bool negative, const char *digits, size_t k, int64_t point, char *out)
{
	char *at = out;

	if (negative)
		*at++ = '-';
	if (point > 0 && point <= 21 && k <= (size_t)point) {
		at = put(at, digits, k);
		at = put_zeros(at, (size_t)point - k);
	} else if (point > 0 && point <= 21) {
		at = put(at, digits, (size_t)point);
		*at++ = '.';
		at = put(at, digits + point, k - (size_t)point);
	} else if (point > -6 && point <= 0) {
		at = put(at, "0.", 2);
		at = put_zeros(at, (size_t)-point);
		at = put(at, digits, k);
	} else {
		*at++ = digits[0];
		if (k > 1) {
			*at++ = '.';
			at = put(at, digits + 1, k - 1);
		}
		at = put_exponent(at, point - 1);
	}
	return (size_t)(at - out);
}

/* The digits 0.d1...dk * 10^point of a positive number. */
struct decimal {
	char digits[24];
	size_t k;
	int64_t point;
};

static bool reads_back(const struct decimal *d, double v)
{
	char text[48];

	snprintf(text, sizeof(text), "0.%.*se%lld", (int)d->k, d->digits, (long long)d->point);
	return strtod(text, NULL) == v;
}

/* v rounded to k digits. */
static struct decimal rounded(double v, size_t k)
{
	struct decimal d = { .k = k };
	char text[40];

	snprintf(text, sizeof(text), "%.*e", (int)k - 1, v);
	d.digits[0] = text[0];
	memcpy(d.digits + 1, text + 2, k - 1);
	d.point = strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
	return d;
}

static struct decimal next_up(struct decimal d)
{
	size_t i = d.k;

	while (i > 0 && d.digits[i - 1] == '9')
		d.digits[--i] = '0';
	if (i > 0) {
		d.digits[i - 1]++;
	} else {
		d.digits[0] = '1';
		d.point++;
	}
	return d;
}

/*
 * Below a power of two doubles lie twice as close, so that the nearest decimal of some length may
 * read back as a neighbour while the next one up is still the number itself.
 */
static bool shortest_at(double v, size_t k, struct decimal *ret)
{
	int exponent;

	*ret = rounded(v, k);
	if (reads_back(ret, v))
		return true;
	if (frexp(v, &exponent) != 0.5)
		return false;
	*ret = next_up(*ret);
	return reads_back(ret, v);
}

size_t jsnum_format(double v, char out[JSNUM_SIZE])
{
	double size = fabs(v);
	struct decimal d;

	if (isnan(v))
		return (size_t)snprintf(out, JSNUM_SIZE, "NaN");
	if (isinf(v))
		return (size_t)snprintf(out, JSNUM_SIZE, v < 0 ? "-Infinity" : "Infinity");
	if (size < 1e15 && v == trunc(v))
		return (size_t)snprintf(out, JSNUM_SIZE, "%lld", (long long)v);

	/* A normal double keeps 15 digits, so fewer need no try of their own; a subnormal does. */
	size_t k = size < DBL_MIN ? 1 : 15;
	while (k < 17 && !shortest_at(size, k, &d))
		k++;
	if (k == 17)
		d = rounded(size, 17);
	while (d.k > 1 && d.digits[d.k - 1] == '0')
		d.k--;
	size_t len = jsnum_layout(v < 0, d.digits, d.k, d.point, out);
	out[len] = 0;
	return len;
}
