// Covariates as one byte per value: bin 0 is "missing", bins 1 … 255 are ranges in ascending order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace butfor::forest {

constexpr std::size_t kBins = 256;

// Where to cut the values of a column (stride apart) into at most 255 ranges; NaN is skipped. Few distinct values get
// a range each, cut halfway between neighbours; many get ranges of about equal numbers of rows.
std::vector<double> cut_points(const double* values, std::size_t n, std::size_t stride);

// codes[i] = 1 + the number of cuts below value i, or 0 where it is missing.
void encode(const double* values, std::size_t n, std::size_t stride, const double* cuts, std::size_t count,
            std::uint8_t* codes);

// Binned covariates, one column after the other. The bins of a category have no order, and "missing" is one of them.
struct Bins {
    const std::uint8_t* codes;
    std::size_t n, p;
    const std::uint8_t* category = nullptr;  // p flags, or none at all
    bool is_category(std::size_t j) const { return category != nullptr && category[j] != 0; }
    const std::uint8_t* column(std::size_t j) const { return codes + j * n; }
};

}  // namespace butfor::forest
