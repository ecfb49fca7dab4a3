// The structs that OpenVINO's C interface passes by value or fills in. Its functions are looked up by
// name when its library is loaded; nothing of OpenVINO is needed to build Roost.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The sizes of a tensor. The functions that fill it in allocate `dims`: ov_shape_free.
typedef struct {
    int64_t rank;
    int64_t *dims;
} ov_shape_t;

// A size that is fixed if both are equal; no largest one is -1.
typedef struct {
    int64_t min;
    int64_t max;
} ov_dimension_t;

typedef struct {
    ov_dimension_t rank;
    ov_dimension_t *dims;
} ov_partial_shape_t;

// A setting; every value that Roost gives is a text.
typedef struct {
    const char *key;
    const void *value;
} ov_property_t;

typedef struct {
    const char *build_number;
    const char *description;
} ov_version_t;

typedef struct {
    char **devices;
    size_t size;
} ov_available_devices_t;
