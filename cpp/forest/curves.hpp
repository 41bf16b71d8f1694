// Distributions near a point: the rows that share leaves with it, in the order of their outcomes, read from below.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "../parallel.hpp"
#include "bins.hpp"
#include "predict.hpp"
#include "sampling.hpp"
#include "tree.hpp"

namespace butfor::forest {

// Which bags each row is outside of, as they were drawn when the forest was grown.
class Outside {
public:
    Outside(const Units& units, const SampleSettings& sample, std::uint64_t seed, std::size_t bags, std::size_t bag_size,
            std::size_t n)
        : n_(n), bits_((bags * n + 63) / 64, 0) {
        for (std::size_t g = 0; g < bags; ++g)
            for (const std::uint32_t row : draw_bag(units, sample, Random(seed, g * (bag_size + 1))).outside)
                bits_[(g * n + row) / 64] |= std::uint64_t{1} << ((g * n + row) % 64);
    }
    bool holds(std::size_t bag, std::size_t row) const {
        return (bits_[(bag * n_ + row) / 64] >> ((bag * n_ + row) % 64)) & 1;
    }

private:
    std::size_t n_;
    std::vector<std::uint64_t> bits_;
};

// Weights of rows by rank of their outcome, most of them zero: a bit per rank says where not.
class RankWeights {
public:
    explicit RankWeights(std::size_t n) : weight_(n, 0.0), touched_((n + 63) / 64, 0) {}

    void add(std::size_t rank, double weight) {
        weight_[rank] += weight;
        touched_[rank / 64] |= std::uint64_t{1} << (rank % 64);
    }

    // Calls take(rank, weight) from below, and forgets them.
    template <typename Take>
    void drain(Take take) {
        for (std::size_t word = 0; word < touched_.size(); ++word) {
            for (std::uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
                const std::size_t rank = 64 * word + static_cast<std::size_t>(__builtin_ctzll(bits));
                take(rank, weight_[rank]);
                weight_[rank] = 0.0;
            }
            touched_[word] = 0;
        }
    }

private:
    std::vector<double> weight_;
    std::vector<std::uint64_t> touched_;
};

// Points are read against a forest: all its trees, or, for the rows it was grown on, those of bags without the row.
struct Near {
    StoredTrees trees;
    Members members;
    const Outside* outside;     // null: all trees
    const std::int32_t* rank;   // of each row's outcome, ties in any order
    std::size_t rows;
};

// Calls read(point, weights, total) for every point with trees; `weights` are drained by the reader.
template <typename Read>
void read_points(const Near& near, const Bins& bins, int threads, Read read) {
    const std::size_t k = near.trees.bag_size;
    for_each_chunk((bins.n + kVisitors - 1) / kVisitors, threads, [&](std::size_t c) {
        const std::size_t begin = c * kVisitors, end = std::min(bins.n, begin + kVisitors);
        std::vector<std::int64_t> leaves((end - begin) * near.trees.trees);
        visit_leaves(near.trees, bins, begin, end, [&](std::size_t i, std::size_t t, std::int32_t leaf) {
            leaves[(i - begin) * near.trees.trees + t] = near.trees.leaf_start[t] + leaf;
        });
        RankWeights weights(near.rows);
        for (std::size_t i = begin; i < end; ++i) {
            double total = 0;
            for (std::size_t t = 0; t < near.trees.trees; ++t) {
                if (near.outside != nullptr && !near.outside->holds(t / k, i)) continue;
                const std::int64_t at = leaves[(i - begin) * near.trees.trees + t];
                const std::int64_t first = at == 0 ? 0 : near.members.end[at - 1], last = near.members.end[at];
                const auto weight = [&](std::int64_t m) {
                    return near.members.weights ? near.members.weights[near.members.rows[m]] : 1.0;
                };
                double leaf_total = 0;
                for (std::int64_t m = first; m < last; ++m) leaf_total += weight(m);
                for (std::int64_t m = first; m < last; ++m)
                    weights.add(static_cast<std::size_t>(near.rank[near.members.rows[m]]), weight(m) / leaf_total);
                total += 1.0;
            }
            if (total > 0) read(i, weights, total);
        }
    });
}

// The least outcome whose distribution function reaches each level (points × levels, levels ascending).
// `outcome` is by rank.
inline std::vector<double> read_quantiles(const Near& near, const Bins& bins, const double* outcome,
                                          const double* levels, std::size_t count, int threads) {
    std::vector<double> found(bins.n * count, std::numeric_limits<double>::quiet_NaN());
    read_points(near, bins, threads, [&](std::size_t i, RankWeights& weights, double total) {
        std::size_t next = 0;
        double below = 0, last = 0;
        weights.drain([&](std::size_t rank, double weight) {
            below += weight;
            last = outcome[rank];
            for (; next < count && below >= levels[next] * total * (1.0 - 1e-12); ++next) found[i * count + next] = last;
        });
        for (; next < count; ++next) found[i * count + next] = last;
    });
    return found;
}

// The share that survives each time (points × times, times ascending): Kaplan-Meier Π (1 − d/r), or exp(−Λ) with the
// Nelson-Aalen Λ = Σ d/r. `time` and `event` are by rank.
inline std::vector<double> read_survival(const Near& near, const Bins& bins, const double* time, const double* event,
                                         const double* times, std::size_t count, bool kaplan_meier, int threads) {
    std::vector<double> found(bins.n * count, std::numeric_limits<double>::quiet_NaN());
    read_points(near, bins, threads, [&](std::size_t i, RankWeights& weights, double total) {
        double at_risk = total, alive = 1.0, hazard = 0, now = 0, leaving = 0, dying = 0;
        std::size_t next = 0;
        const auto pass = [&] {  // all rows of one time
            if (dying > 0) {
                alive *= std::max(0.0, 1.0 - dying / at_risk);
                hazard += dying / at_risk;
            }
            at_risk -= leaving;
            leaving = dying = 0;
        };
        const auto here = [&] { return kaplan_meier ? alive : std::exp(-hazard); };
        weights.drain([&](std::size_t rank, double weight) {
            if (leaving > 0 && time[rank] != now) pass();
            now = time[rank];
            for (; next < count && times[next] < now; ++next) found[i * count + next] = here();
            leaving += weight;
            dying += weight * event[rank];
        });
        pass();
        for (; next < count; ++next) found[i * count + next] = here();
    });
    return found;
}

}  // namespace butfor::forest
