// Weighted means and centred cross-products of many columns, by group, in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace butfor {

// Additive statistics of one group; merged by Chan, Golub and LeVeque (1983), so a large mean loses no digits.
struct Moments {
    double count = 0, weight = 0, weight_squared = 0;
    std::vector<double> mean, low;  // p each; `low` holds the digits of the mean that do not fit into `mean`
    std::vector<double> comoment;   // p x p; the lower triangle until the last merge
    explicit Moments(std::size_t p = 0) : mean(p), low(p), comoment(p * p) {}
    void merge(const Moments& other);
};

// Rows are contiguous (n x p). `weights` and `groups` may be null (every weight one; one group).
std::vector<Moments> comoments(const double* rows, std::size_t n, std::size_t p, const double* weights,
                               const std::int32_t* groups, std::size_t group_count, int threads);

}  // namespace butfor
