// The best split of a node: one histogram of pseudo-outcomes per feature, read from left to right.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bins.hpp"
#include "models.hpp"
#include "sums.hpp"
#include "tree.hpp"

namespace butfor::forest {

// What both children of a split must have.
struct Limits {
    double rows;     // rows, and rows of each arm where the model has arms
    double share;    // of the parent's information ("alpha")
    double penalty;  // times 1/size_left + 1/size_right, off the gain
};

template <typename Model>
class SplitFinder {
public:
    using Row = typename Model::Row;

    explicit SplitFinder(const Limits& limits) : limits_(limits) { bins_.fill(Row{}); }

    // Starts the search in a node with these labels; false when no split could leave enough rows on both sides.
    bool begin(const Row* rows, std::size_t m) {
        rows_ = rows;
        m_ = m;
        total_ = Row{};
        for (std::size_t i = 0; i < m; ++i) total_ += rows[i];
        least_size_ = limits_.share * total_.size;
        best_ = total_.gain();
        found_ = Split{};
        return enough_rows(total_, 2 * limits_.rows);
    }

    // Tries all cuts of one feature; members[i] is the place of row i in the column.
    void try_feature(std::size_t feature, const std::uint8_t* column, const std::uint32_t* members) {
        fill(column, members);
        feature_ = feature;
        missing_ = bins_[0];
        const bool gaps = (touched_[0] & 1) != 0;
        bins_[0] = Row{};
        touched_[0] &= ~std::uint64_t{1};
        Row left{};
        std::size_t last = 0;
        for (std::size_t word = 0; word < touched_.size(); ++word) {
            for (std::uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
                const std::size_t bin = 64 * word + static_cast<std::size_t>(__builtin_ctzll(bits));
                if (gaps) consider_gaps(left, last, bin);
                if (last > 0 && !gaps) consider(left, (last + bin - 1) / 2, left.count() * 2 >= total_.count());
                left += bins_[bin];
                bins_[bin] = Row{};
                last = bin;
            }
            touched_[word] = 0;
        }
        if (gaps && last > 0) consider(left, kBins - 1, false);
    }

    // The best of what was tried; `Split::none()` when no cut is allowed or gains.
    const Split& found() const { return found_; }

private:
    // Large nodes touch almost every bin: looking afterwards is cheaper than a note per row.
    static constexpr std::size_t kDense = 512;

    void fill(const std::uint8_t* column, const std::uint32_t* members) {
        if (m_ >= kDense) {
            for (std::size_t i = 0; i < m_; ++i) bins_[column[members[i]]] += rows_[i];
            for (std::size_t bin = 0; bin < kBins; ++bin)
                touched_[bin / 64] |= static_cast<std::uint64_t>(bins_[bin].tally[0] != 0.0) << (bin % 64);
            return;
        }
        for (std::size_t i = 0; i < m_; ++i) {
            const std::size_t bin = column[members[i]];
            bins_[bin] += rows_[i];
            touched_[bin / 64] |= std::uint64_t{1} << (bin % 64);
        }
    }

    // Rows with a missing value may go to either side; before the first bin they are a side of their own.
    void consider_gaps(const Row& left, std::size_t last, std::size_t bin) {
        const std::size_t cut = last == 0 ? 0 : (last + bin - 1) / 2;
        if (last > 0) consider(left, cut, false);
        Row with = left;
        with += missing_;
        consider(with, cut, true);
    }

    void consider(const Row& left, std::size_t cut, bool missing_left) {
        const Row right = total_ - left;
        if (!allowed(left) || !allowed(right)) return;
        double gain = left.gain() + right.gain();
        if (limits_.penalty > 0) gain -= limits_.penalty * (1.0 / left.size + 1.0 / right.size);
        if (!(gain > best_ * kBetter)) return;
        best_ = gain;
        found_ = Split::at(feature_, cut, missing_left);
    }

    bool allowed(const Row& side) const { return enough_rows(side, limits_.rows) && side.size >= least_size_; }

    static bool enough_rows(const Row& side, double least) {
        double others = side.count();
        if (others < least) return false;
        if constexpr (Model::sides != Sides::none) {
            for (int a = 0; a < Model::arms; ++a) {
                const double upper = side.upper(a);
                if (upper < least) return false;
                if constexpr (Model::sides == Sides::arms) others -= upper;
                if constexpr (Model::sides == Sides::both)
                    if (others - upper < least) return false;
            }
        }
        return others >= least;
    }

    // Two cuts that part the rows alike differ by rounding only; the first one stands.
    static constexpr double kBetter = 1.0 + 1e-12;

    Limits limits_;
    const Row* rows_ = nullptr;
    std::size_t m_ = 0, feature_ = 0;
    Row total_{}, missing_{};
    double least_size_ = 0, best_ = 0;
    Split found_;
    std::array<Row, kBins> bins_;
    std::array<std::uint64_t, kBins / 64> touched_{};
};

}  // namespace butfor::forest
