// From sums per row to estimates, and the same for new rows from stored trees.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "../parallel.hpp"
#include "bins.hpp"
#include "little_bags.hpp"
#include "tree.hpp"

namespace butfor::forest {

// n × estimates each; NaN where a row has no trees or no solution. Several estimates also have what the variances of
// their combinations need: packed triangles, and the number of bags.
struct Estimates {
    Estimates() = default;
    Estimates(std::size_t n, int k)
        : value(n * static_cast<std::size_t>(k), kNone), variance(value.size(), kNone), monte_carlo(value.size(), kNone) {
        if (k == 1) return;
        between.assign(n * static_cast<std::size_t>(triangle(k)), kNone);
        noise.assign(between.size(), kNone);
        bags.assign(n, 0.0);
    }
    static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    std::vector<double> value, variance, monte_carlo, between, noise, bags;
};

// Writes the estimates of one row; variances need two trees per bag and two bags.
template <typename Model>
void solve_row(const BagSums<Model::statistics>& sums, std::size_t bag_size, Estimates& out, std::size_t row) {
    constexpr int S = Model::statistics, K = Model::estimates;
    if (sums.bags == 0) return;
    double mean[S], gradient[K * S];
    for (int s = 0; s < S; ++s) mean[s] = sums.mean[s] / sums.bags;
    if (!Model::solve(mean, &out.value[row * K], gradient)) return;
    if (bag_size < 2 || sums.bags < 2) return;
    const Spread<S, K> spread(sums, gradient, bag_size);
    for (int k = 0; k < K; ++k) {
        const double between = spread.between[triangle(k) + k], noise = spread.noise[triangle(k) + k];
        out.variance[row * K + k] = sampling_variance(between, noise, sums.bags, static_cast<double>(bag_size));
        out.monte_carlo[row * K + k] = noise / sums.bags;
    }
    if constexpr (K > 1) {
        std::copy(spread.between, spread.between + triangle(K), &out.between[row * triangle(K)]);
        std::copy(spread.noise, spread.noise + triangle(K), &out.noise[row * triangle(K)]);
        out.bags[row] = sums.bags;
    }
}

// Trees one after the other, as they are stored and saved.
struct StoredTrees {
    const Node* nodes;
    const std::int64_t* node_start;  // of each tree, and the end of the last
    const double* leaves;
    const std::int64_t* leaf_start;
    std::size_t trees, bag_size;
};

// Rows visit a tree together while its upper nodes are in the cache.
constexpr std::size_t kVisitors = 256;

// Calls visit(row, tree, leaf) for every row of a block and every tree, tree by tree.
template <typename Visit>
void visit_leaves(const StoredTrees& forest, const Bins& bins, std::size_t begin, std::size_t end, Visit visit) {
    std::vector<std::uint8_t> near((end - begin) * bins.p);
    for (std::size_t j = 0; j < bins.p; ++j)
        for (std::size_t i = begin; i < end; ++i) near[(i - begin) * bins.p + j] = bins.column(j)[i];
    for (std::size_t t = 0; t < forest.trees; ++t)
        for (std::size_t i = begin; i < end; ++i)
            visit(i, t, find_leaf(forest.nodes + forest.node_start[t], &near[(i - begin) * bins.p], 1));
}

template <typename Model>
Estimates predict(const StoredTrees& forest, const Bins& bins, int threads) {
    constexpr int S = Model::statistics;
    Estimates out(bins.n, Model::estimates);
    const std::size_t k = forest.bag_size;
    for_each_chunk((bins.n + kVisitors - 1) / kVisitors, threads, [&](std::size_t c) {
        const std::size_t begin = c * kVisitors, end = std::min(bins.n, begin + kVisitors);
        std::vector<BagSums<S>> sums(end - begin);
        std::vector<const double*> leaves((end - begin) * k);
        visit_leaves(forest, bins, begin, end, [&](std::size_t i, std::size_t t, std::int32_t leaf) {
            const double** mine = &leaves[(i - begin) * k];
            mine[t % k] = forest.leaves + (forest.leaf_start[t] + leaf) * S;
            if (t % k == k - 1) sums[i - begin].add(mine, k);
        });
        for (std::size_t i = begin; i < end; ++i) solve_row<Model>(sums[i - begin], k, out, i);
    });
    return out;
}

// The rows behind each leaf, all leaves of all trees one after the other: leaf l ends at member_end[l].
struct Members {
    const std::int32_t* rows;
    const std::int64_t* end;
    const double* weights;  // of the rows the forest was grown on; may be null
};

// α (points × n): how much each of n rows counts at each point. A tree shares 1 among the rows of the point's leaf.
inline std::vector<double> kernel_weights(const StoredTrees& forest, const Members& members, const Bins& bins,
                                          std::size_t n, int threads) {
    std::vector<double> alpha(bins.n * n);
    const double share = 1.0 / static_cast<double>(forest.trees);
    for_each_chunk((bins.n + kVisitors - 1) / kVisitors, threads, [&](std::size_t c) {
        const std::size_t begin = c * kVisitors, end = std::min(bins.n, begin + kVisitors);
        visit_leaves(forest, bins, begin, end, [&](std::size_t i, std::size_t t, std::int32_t leaf) {
            const std::int64_t at = forest.leaf_start[t] + leaf;
            const std::int64_t first = at == 0 ? 0 : members.end[at - 1], last = members.end[at];
            const auto weight = [&](std::int64_t m) { return members.weights ? members.weights[members.rows[m]] : 1.0; };
            double total = 0;
            for (std::int64_t m = first; m < last; ++m) total += weight(m);
            for (std::int64_t m = first; m < last; ++m)
                alpha[i * n + static_cast<std::size_t>(members.rows[m])] += share * weight(m) / total;
        });
    });
    return alpha;
}

}  // namespace butfor::forest
