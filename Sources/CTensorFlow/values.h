// The structs that TensorFlow's C interface passes by value or points to. Its functions are looked up
// by name when its library is loaded; nothing of TensorFlow is needed to build Roost.
#pragma once
#include <stddef.h>
#include <stdint.h>

// One of the tensors that an operation of a graph gives.
typedef struct {
    void *operation;
    int index;
} TF_Output;

// The bytes of a serialised message. Without a deallocator they are somebody else's.
typedef struct {
    const void *data;
    size_t length;
    void (*deallocate)(void *data, size_t length);
} TF_Buffer;
