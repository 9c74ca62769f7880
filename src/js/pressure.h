/*
 * What happens when the process as a whole has become too big: collect garbage, and if that does
 * not help, end the run whose entries made it grow most. Between entries; the tick inside of an
 * entry (entry.c) handles the run that executes.
 */
#pragma once

#include "js/host.h"

void pressure_relieve(struct host *h);
