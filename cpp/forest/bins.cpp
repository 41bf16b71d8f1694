#include "bins.hpp"

#include <algorithm>
#include <cmath>

namespace butfor::forest {

namespace {

constexpr std::size_t kRanges = kBins - 1;
constexpr std::size_t kEnough = 1 << 17;  // rows that fix 254 quantiles to a hundredth of a bin's width

// Halfway, without overflow, and never at the upper of the two: x <= cut keeps them apart.
double between(double low, double high) {
    const double middle = low + (high / 2 - low / 2);
    return middle < high ? middle : low;
}

}  // namespace

std::vector<double> cut_points(const double* values, std::size_t n, std::size_t stride) {
    const std::size_t step = std::max<std::size_t>(1, n / kEnough);
    std::vector<double> sorted;
    sorted.reserve(n / step + 1);
    for (std::size_t i = 0; i < n; i += step)
        if (!std::isnan(values[i * stride])) sorted.push_back(values[i * stride]);
    std::sort(sorted.begin(), sorted.end());

    std::vector<double> distinct;
    for (std::size_t i = 0; i < sorted.size() && distinct.size() <= kRanges; ++i)
        if (distinct.empty() || sorted[i] != distinct.back()) distinct.push_back(sorted[i]);
    std::vector<double> cuts;
    if (distinct.size() <= kRanges) {
        for (std::size_t i = 1; i < distinct.size(); ++i) cuts.push_back(between(distinct[i - 1], distinct[i]));
        return cuts;
    }
    for (std::size_t k = 1; k < kRanges; ++k) {
        const double low = sorted[k * sorted.size() / kRanges - 1];
        const auto high = std::upper_bound(sorted.begin(), sorted.end(), low);
        if (high == sorted.end()) break;  // the rest is one value
        const double cut = between(low, *high);
        if (cuts.empty() || cut > cuts.back()) cuts.push_back(cut);
    }
    return cuts;
}

void encode(const double* values, std::size_t n, std::size_t stride, const double* cuts, std::size_t count,
            std::uint8_t* codes) {
    for (std::size_t i = 0; i < n; ++i) {
        const double value = values[i * stride];
        if (std::isnan(value)) {
            codes[i] = 0;
            continue;
        }
        const double* first = cuts;  // branchless binary search for the number of cuts below the value
        for (std::size_t left = count; left > 0;) {
            const std::size_t half = left / 2;
            first += first[half] < value ? left - half : 0;
            left = half;
        }
        codes[i] = static_cast<std::uint8_t>(1 + (first - cuts));
    }
}

}  // namespace butfor::forest
