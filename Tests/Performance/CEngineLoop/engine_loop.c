// What the engine itself costs: the loop that the Swift layer over it is measured against. The
// indexes are those of OrtApi, which only grows.

#include "engine_loop.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

// The functions of the table that are called; a result that is not NULL is an error.
typedef void *(*CreateEnv)(int, const char *, void **);
typedef void *(*Create)(void **);
typedef void *(*SetNumber)(void *, int);
typedef void *(*CreateSession)(void *, const char *, void *, void **);
typedef void *(*CreateMemoryInfo)(int, int, void **);
typedef void *(*CreateTensor)(void *, void *, size_t, const long long *, size_t, int, void **);
typedef void *(*Run)(void *, void *, const char **, void **, size_t, const char **, size_t, void **);
typedef void *(*GetData)(void *, void **);
typedef void (*Release)(void *);

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double engine_loop(const char *library, const char *model, const char *input, const char *output,
                   const long long *dimensions, unsigned long rank, float *elements,
                   unsigned long element_count, long count) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return -1;
    void **(*base)(void) = (void **(*)(void))dlsym(handle, "OrtGetApiBase");
    if (!base) return -1;
    void **api = ((void **(*)(uint32_t))base()[0])(16);
    if (!api) return -1;
    void *env, *options, *session, *memory, *run;
    if (((CreateEnv)api[3])(4, "loop", &env)) return -1;
    if (((Create)api[10])(&options)) return -1;        // CreateSessionOptions
    if (((SetNumber)api[24])(options, 1)) return -1;   // SetIntraOpNumThreads
    if (((CreateSession)api[7])(env, model, options, &session)) return -1;
    if (((CreateMemoryInfo)api[69])(0, 0, &memory)) return -1;
    if (((Create)api[39])(&run)) return -1;            // CreateRunOptions
    const CreateTensor create_tensor = (CreateTensor)api[49];
    const Run run_session = (Run)api[9];
    const GetData get_data = (GetData)api[51];
    const Release release_value = (Release)api[96];
    double begun = 0;
    const long warm = count / 10 + 1;
    for (long index = -warm; index < count; index++) {
        if (index == 0) begun = now();
        void *in = NULL, *out = NULL, *data = NULL;
        if (create_tensor(memory, elements, element_count * sizeof(float), dimensions, rank, 1, &in))
            return -1;
        if (run_session(session, run, &input, &in, 1, &output, 1, &out)) return -1;
        if (get_data(out, &data)) return -1;
        release_value(out);
        release_value(in);
    }
    double time = (now() - begun) / (double)count;
    ((Release)api[97])(run);
    ((Release)api[94])(memory);
    ((Release)api[95])(session);
    ((Release)api[100])(options);
    return time;
}
