#include "projection.hpp"

#include <algorithm>
#include <vector>

#include "parallel.hpp"
#include "vectors.hpp"

namespace butfor {

namespace {

constexpr std::size_t kBlock = 256;
constexpr std::size_t kChunk = 32768;

}  // namespace

void project(const double* rows, std::size_t n, std::size_t p, const double* mean, const double* root, std::size_t rank,
             const double* columns, std::size_t d, const double* centre, const double* slopes, double* residual,
             double* leverage, int threads) {
    const std::size_t chunks = (n + kChunk - 1) / kChunk;
    for_each_chunk(chunks, threads, [&](std::size_t c) {
        std::vector<double> tile(p * kBlock), direction(kBlock), square(kBlock), left(d * kBlock);
        const std::size_t stop = std::min(n, (c + 1) * kChunk);
        for (std::size_t start = c * kChunk; start < stop; start += kBlock) {
            const std::size_t m = std::min(kBlock, stop - start);
            for (std::size_t i = 0; i < m; ++i) {
                const double* row = rows + (start + i) * p;
                for (std::size_t a = 0; a < p; ++a) tile[a * kBlock + i] = row[a] - mean[a];
                for (std::size_t k = 0; k < d; ++k) left[k * kBlock + i] = columns[(start + i) * d + k] - centre[k];
            }
            double* out = leverage + start;
            std::fill(out, out + m, 0.0);
            for (std::size_t r = 0; r < rank; ++r) {
                std::fill(direction.begin(), direction.begin() + m, 0.0);
                for (std::size_t a = 0; a < p; ++a)
                    if (root[a * rank + r] != 0.0)
                        add_scaled(direction.data(), &tile[a * kBlock], root[a * rank + r], m);
                multiply(square.data(), direction.data(), direction.data(), m);
                add_scaled(out, square.data(), 1.0, m);
                for (std::size_t k = 0; k < d; ++k)
                    add_scaled(&left[k * kBlock], direction.data(), -slopes[r * d + k], m);
            }
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t k = 0; k < d; ++k) residual[(start + i) * d + k] = left[k * kBlock + i];
        }
    });
}

}  // namespace butfor
