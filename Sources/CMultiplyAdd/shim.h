#pragma once

// Two vector operations that Swift cannot say: its SIMD types have neither a product that is wider
// than its factors nor shuffles, and what they have instead compiles to three times the
// instructions.

#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef int32_t roost_int4 __attribute__((ext_vector_type(4)));
typedef uint8_t roost_byte4 __attribute__((ext_vector_type(4)));
typedef uint8_t roost_byte8 __attribute__((ext_vector_type(8)));
typedef uint16_t roost_short8 __attribute__((ext_vector_type(8)));

/// For each pair of 16-bit numbers in a lane of 32 bits the sum of their products.
static inline __attribute__((always_inline)) roost_int4 roost_multiply_add(roost_int4 left,
                                                                           roost_int4 right) {
#if defined(__SSE2__)
    return (roost_int4)_mm_madd_epi16((__m128i)left, (__m128i)right);
#else
    roost_int4 low = ((left << 16) >> 16) * ((right << 16) >> 16);
    return low + (left >> 16) * (right >> 16);
#endif
}

/// Four bytes of each, as pairs of 16-bit numbers.
static inline __attribute__((always_inline)) roost_int4 roost_interleave(const uint8_t *left,
                                                                         const uint8_t *right) {
    roost_byte4 first, second;
    memcpy(&first, left, sizeof first);
    memcpy(&second, right, sizeof second);
    roost_byte8 both = __builtin_shufflevector(first, second, 0, 4, 1, 5, 2, 6, 3, 7);
    return (roost_int4)__builtin_convertvector(both, roost_short8);
}
