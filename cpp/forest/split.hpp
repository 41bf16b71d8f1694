// The best split of a node: one histogram of pseudo-outcomes per feature, read from left to right.
#pragma once

#include <algorithm>
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

    // Tries to part the categories of one feature in their order along the direction in which they differ most. For one
    // pseudo-outcome no other way to part them gains more (Fisher 1958, doi:10.1080/01621459.1958.10501479).
    void try_category(std::size_t feature, const std::uint8_t* column, const std::uint32_t* members) {
        fill(column, members);
        feature_ = feature;
        std::array<std::uint8_t, kBins> order;
        std::size_t count = 0;
        BinSet none_of_these = touched_;
        for (std::uint64_t& word : none_of_these) word = ~word;
        for (std::size_t word = 0; word < touched_.size(); ++word)
            for (std::uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1)
                order[count++] = static_cast<std::uint8_t>(64 * word + static_cast<std::size_t>(__builtin_ctzll(bits)));
        arrange(order.data(), count);
        Row left{};
        BinSet set{};
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint8_t bin = order[i];
            left += bins_[bin];
            set[bin / 64] |= std::uint64_t{1} << (bin % 64);
            bins_[bin] = Row{};
            if (i + 1 == count || !gains(left)) continue;
            found_ = Split::of_set(feature_);
            set_ = set;
            if (left.count() * 2 >= total_.count())  // categories that are not here join the larger side
                for (std::size_t word = 0; word < set_.size(); ++word) set_[word] |= none_of_these[word];
        }
        touched_.fill(0);
    }

    // The best of what was tried; `Split::none()` when no cut is allowed or gains.
    const Split& found() const { return found_; }
    const BinSet& found_set() const { return set_; }

private:
    // Sorts bins by their mean pseudo-outcome, or by its part along the leading direction of the means.
    void arrange(std::uint8_t* order, std::size_t count) {
        constexpr int K = Row::scores;
        std::array<double, K> axis = leading(order, count);
        std::array<double, kBins> place;
        for (std::size_t i = 0; i < count; ++i) {
            const Row& bin = bins_[order[i]];
            place[order[i]] = 0;
            for (int k = 0; k < K; ++k) place[order[i]] += axis[k] * bin.rho[k] / bin.weight;
        }
        std::stable_sort(order, order + count, [&](std::uint8_t a, std::uint8_t b) { return place[a] < place[b]; });
    }

    // The leading direction of Σ w m m' over the means m of the bins, by squaring; its longest part is positive.
    std::array<double, Row::scores> leading(const std::uint8_t* order, std::size_t count) const {
        constexpr int K = Row::scores, kSquarings = 10;
        std::array<double, K> axis{};
        axis[0] = 1.0;
        if constexpr (K > 1) {
            std::array<std::array<double, K>, K> spread{}, square;
            for (std::size_t i = 0; i < count; ++i) {
                const Row& bin = bins_[order[i]];
                for (int a = 0; a < K; ++a)
                    for (int b = 0; b < K; ++b) spread[a][b] += bin.rho[a] * bin.rho[b] / bin.weight;
            }
            for (int step = 0; step < kSquarings; ++step) {
                double trace = 0;
                for (int a = 0; a < K; ++a) trace += spread[a][a];
                if (!(trace > 0)) return axis;
                for (int a = 0; a < K; ++a)
                    for (int b = 0; b < K; ++b) {
                        square[a][b] = 0;
                        for (int c = 0; c < K; ++c) square[a][b] += spread[a][c] / trace * (spread[c][b] / trace);
                    }
                spread = square;
            }
            int longest = 0;
            for (int a = 1; a < K; ++a)
                if (spread[a][a] > spread[longest][longest]) longest = a;
            for (int a = 0; a < K; ++a) axis[a] = spread[a][longest];
        }
        return axis;
    }

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
        if (gains(left)) found_ = Split::at(feature_, cut, missing_left);
    }

    // Whether these rows on the left, the others on the right are allowed and better than all before.
    bool gains(const Row& left) {
        const Row right = total_ - left;
        if (!allowed(left) || !allowed(right)) return false;
        double gain = left.gain() + right.gain();
        if (limits_.penalty > 0) gain -= limits_.penalty * (1.0 / left.size + 1.0 / right.size);
        if (!(gain > best_ * kBetter)) return false;
        best_ = gain;
        return true;
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
    BinSet set_{};
    std::array<Row, kBins> bins_;
    BinSet touched_{};
};

}  // namespace butfor::forest
