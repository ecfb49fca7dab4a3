#pragma once

/// Runs a model of one FP32 input and one FP32 output in ONNX Runtime's own C interface, `count`
/// times, with values made anew for each run, as a request's are. Gives the time that a run takes,
/// in nanoseconds; negative: something failed.
double engine_loop(const char *library, const char *model, const char *input, const char *output,
                   const long long *dimensions, unsigned long rank, float *elements,
                   unsigned long element_count, long count);
