#include "vectors.hpp"

#include <cstring>

namespace butfor {

namespace {

constexpr std::size_t kLanes = 8;

#if defined(__GNUC__)
typedef double Pack __attribute__((vector_size(kLanes * sizeof(double))));
#else
struct Pack {
    double lane[kLanes];
    double operator[](std::size_t l) const { return lane[l]; }
    Pack operator*(const Pack& o) const {
        Pack r;
        for (std::size_t l = 0; l < kLanes; ++l) r.lane[l] = lane[l] * o.lane[l];
        return r;
    }
    void operator+=(const Pack& o) {
        for (std::size_t l = 0; l < kLanes; ++l) lane[l] += o.lane[l];
    }
};
#endif

// Macros, because a helper function would not be compiled for the instruction set of its caller.
#define BUTFOR_LOAD(pack, from) std::memcpy(&(pack), (from), sizeof(Pack))
#define BUTFOR_TOTAL(s) ((((s)[0] + (s)[1]) + ((s)[2] + (s)[3])) + (((s)[4] + (s)[5]) + ((s)[6] + (s)[7])))

}  // namespace

BUTFOR_CLONES double sum(const double* a, std::size_t m) {
    Pack s{}, x;
    double rest = 0;
    std::size_t i = 0;
    for (; i + kLanes <= m; i += kLanes) {
        BUTFOR_LOAD(x, a + i);
        s += x;
    }
    for (; i < m; ++i) rest += a[i];
    return BUTFOR_TOTAL(s) + rest;
}

BUTFOR_CLONES double dot(const double* a, const double* b, std::size_t m) {
    Pack s{}, x, y;
    double rest = 0;
    std::size_t i = 0;
    for (; i + kLanes <= m; i += kLanes) {
        BUTFOR_LOAD(x, a + i);
        BUTFOR_LOAD(y, b + i);
        s += x * y;
    }
    for (; i < m; ++i) rest += a[i] * b[i];
    return BUTFOR_TOTAL(s) + rest;
}

BUTFOR_CLONES void add_dots(const double* a, const double* columns, std::size_t stride, std::size_t count,
                            std::size_t m, double* out) {
    std::size_t j = 0;
    for (; j + 4 <= count; j += 4) {  // four columns share each load of a
        const double *b0 = columns + j * stride, *b1 = b0 + stride, *b2 = b1 + stride, *b3 = b2 + stride;
        Pack s0{}, s1{}, s2{}, s3{}, x, y;
        double rest[4] = {};
        std::size_t i = 0;
        for (; i + kLanes <= m; i += kLanes) {
            BUTFOR_LOAD(x, a + i);
            BUTFOR_LOAD(y, b0 + i);
            s0 += x * y;
            BUTFOR_LOAD(y, b1 + i);
            s1 += x * y;
            BUTFOR_LOAD(y, b2 + i);
            s2 += x * y;
            BUTFOR_LOAD(y, b3 + i);
            s3 += x * y;
        }
        for (; i < m; ++i)
            for (std::size_t c = 0; c < 4; ++c) rest[c] += a[i] * b0[c * stride + i];
        out[j] += BUTFOR_TOTAL(s0) + rest[0];
        out[j + 1] += BUTFOR_TOTAL(s1) + rest[1];
        out[j + 2] += BUTFOR_TOTAL(s2) + rest[2];
        out[j + 3] += BUTFOR_TOTAL(s3) + rest[3];
    }
    for (; j < count; ++j) out[j] += dot(a, columns + j * stride, m);
}

BUTFOR_CLONES void multiply(double* out, const double* a, const double* b, std::size_t m) {
    for (std::size_t i = 0; i < m; ++i) out[i] = a[i] * b[i];
}

BUTFOR_CLONES void add_scaled(double* out, const double* a, double factor, std::size_t m) {
    for (std::size_t i = 0; i < m; ++i) out[i] += factor * a[i];
}

BUTFOR_CLONES void subtract(double* a, double value, std::size_t m) {
    for (std::size_t i = 0; i < m; ++i) a[i] -= value;
}

}  // namespace butfor
