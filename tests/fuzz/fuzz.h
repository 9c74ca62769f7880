/*
 * What every fuzz target defines. Built with -Dfuzz=true (clang) it runs under libFuzzer, else
 * under driver.c over its corpus. CHECK states what must hold for any input.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)
