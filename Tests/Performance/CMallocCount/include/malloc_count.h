#pragma once

/// How often memory was allocated since the process began.
unsigned long malloc_count(void);
