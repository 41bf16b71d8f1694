// Arithmetic on columns of a cached block. Sums keep eight partial sums in a fixed order, so they vectorise and repeat.
#pragma once

#include <cstddef>

// One source, several instruction sets, chosen when the library is loaded; elsewhere the compiler's baseline.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && defined(__gnu_linux__) && \
    __has_include(<gnu/libc-version.h>)
#define BUTFOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BUTFOR_CLONES
#endif

namespace butfor {

double sum(const double* a, std::size_t m);

double dot(const double* a, const double* b, std::size_t m);

// out[j] += a' columns_j for j < count; column j starts at columns + j * stride.
void add_dots(const double* a, const double* columns, std::size_t stride, std::size_t count, std::size_t m, double* out);

// out = a * b
void multiply(double* out, const double* a, const double* b, std::size_t m);

// out += factor * a
void add_scaled(double* out, const double* a, double factor, std::size_t m);

// a -= value
void subtract(double* a, double value, std::size_t m);

}  // namespace butfor
