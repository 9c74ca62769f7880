/*
 * How long `--providers FILE` takes for a file of the public catalogue's size: reading, checking,
 * aliases, the built-in catalogue below it. Floor: the YAML library alone over the same bytes.
 */
#include "base/clock.h"
#include "made_catalogue.h"
#include "model/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

enum { ROUNDS = 7 };

static double floor_ms(const struct buf *text)
{
	int64_t start = clock_cpu_us();
	yaml_parser_t parser;
	yaml_event_t event;
	bool over = false;

	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->ptr, text->len);
	while (!over && yaml_parser_parse(&parser, &event)) {
		over = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return (double)(clock_cpu_us() - start) / 1e3;
}

static double load_ms(const char *path, size_t *ret_count)
{
	int64_t start = clock_cpu_us();
	struct providers *p = NULL;
	struct err err = { 0 };

	if (providers_open(&path, 1, &p, &err) < 0) {
		fprintf(stderr, "providers_bench: %s\n", err.msg);
		exit(1);
	}
	double took = (double)(clock_cpu_us() - start) / 1e3;
	provider_list(p, ret_count);
	providers_close(p);
	return took;
}

int main(void)
{
	char path[] = "/tmp/providers-XXXXXX";
	double best = 1e9, floor = 1e9;
	size_t count = 0, lines = 0;
	struct buf text;

	catalogue_make(&text);
	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, text.ptr, text.len) != (ssize_t)text.len)
		abort();
	for (int i = 0; i < ROUNDS; i++) {
		double load = load_ms(path, &count), raw = floor_ms(&text);
		best = load < best ? load : best;
		floor = raw < floor ? raw : floor;
	}
	close(fd);
	unlink(path);
	printf("providers.file %zu bytes\nproviders.file_lines %zu lines\n", text.len, lines);
	printf("providers.entries %zu providers\n", count);
	printf("providers.floor %.1f ms\nproviders.load %.1f ms\nproviders.load.ratio %.2f\n",
		floor, best, floor / best);
	buf_done(&text);
	return 0;
}
