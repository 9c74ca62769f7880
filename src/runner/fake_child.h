/* A scripted runner for tests: `<test binary> runner`. What a run does is the text of its input. */
#pragma once

int fake_child_main(void);
