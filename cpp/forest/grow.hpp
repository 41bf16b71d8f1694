// Grows one tree: a stack of nodes, and three lists of rows that every split divides together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bins.hpp"
#include "random.hpp"
#include "split.hpp"
#include "tree.hpp"

namespace butfor::forest {

using RowList = std::vector<std::uint32_t>;

// Which rows a tree uses for what. Honesty: `estimate` is disjoint from `split`; without it they are the same.
struct TreeRows {
    RowList split, estimate, outside;
};

struct GrowSettings {
    Limits limits;
    std::size_t features;     // expected number of features tried per node (Poisson)
    bool keep_members = false;
};

// Splits by depth and feature, for variable importance.
constexpr std::size_t kCountedDepth = 8;

template <typename Model>
class Grower {
public:
    static constexpr int S = Model::statistics;

    Grower(const Model& model, const Bins& bins, const GrowSettings& settings)
        : model_(model), bins_(bins), settings_(settings), finder_(settings.limits) {}

    // leaf_of[row] is set for the rows outside; split_counts (kCountedDepth × p) grows.
    Tree grow(TreeRows rows, Random random, std::int32_t* leaf_of, std::uint32_t* split_counts) {
        gather(rows.split);
        Tree tree;
        tree.nodes.emplace_back();
        std::vector<Pending> stack{{0, 0, {0, rows.split.size()}, {0, rows.estimate.size()}, {0, rows.outside.size()}}};
        while (!stack.empty()) {
            const Pending node = stack.back();
            stack.pop_back();
            const Split split = find_split(rows.split, node, random);
            if (split.none() || !divide(rows, node, split, tree, stack)) {
                close_leaf(rows, node, tree, leaf_of);
                continue;
            }
            if (node.depth < kCountedDepth) ++split_counts[node.depth * bins_.p + split.feature];
        }
        return tree;
    }

private:
    struct Range {
        std::size_t begin, end;
        std::size_t size() const { return end - begin; }
    };
    struct Pending {
        std::int32_t node;
        std::uint32_t depth;
        Range split, estimate, outside;
    };

    // The splitting rows' bins side by side, so that a column of them stays in the cache.
    void gather(const RowList& split) {
        m_ = split.size();
        near_.resize(m_ * bins_.p);
        for (std::size_t j = 0; j < bins_.p; ++j) {
            const std::uint8_t* column = bins_.column(j);
            std::uint8_t* out = &near_[j * m_];
            for (std::size_t i = 0; i < m_; ++i) out[i] = column[split[i]];
        }
        place_.resize(m_);
        for (std::size_t i = 0; i < m_; ++i) place_[i] = static_cast<std::uint32_t>(i);
        rows_.resize(m_);
        labels_.resize(m_);
    }

    Split find_split(const RowList& split_rows, const Pending& node, Random& random) {
        const std::size_t m = node.split.size();
        if (static_cast<double>(m) < 2 * settings_.limits.rows) return {};
        const std::uint32_t* places = place_.data() + node.split.begin;
        for (std::size_t i = 0; i < m; ++i) rows_[i] = split_rows[places[i]];
        if (!model_.label(rows_.data(), m, labels_.data())) return {};
        if (!finder_.begin(labels_.data(), m)) return {};
        const std::size_t p = bins_.p;
        const std::size_t wanted = std::min(std::max<std::size_t>(random.poisson(settings_.features), 1), p);
        const auto attempt = [&](std::size_t j) {
            if (bins_.is_category(j)) {
                finder_.try_category(j, &near_[j * m_], places);
            } else {
                finder_.try_feature(j, &near_[j * m_], places);
            }
        };
        random.select(p, wanted, attempt, [](std::size_t) {});
        return finder_.found();
    }

    // Parts all rows of a node; false when a child would have no rows to estimate from.
    bool divide(TreeRows& rows, const Pending& node, const Split& split, Tree& tree, std::vector<Pending>& stack) {
        const BinSet set = finder_.found_set();
        if (!split.is_set()) return divide_by(rows, node, split, tree, stack, [&](std::uint8_t b) { return split.left(b); });
        if (!divide_by(rows, node, split, tree, stack, [&](std::uint8_t bin) { return holds(set, bin); })) return false;
        tree.nodes.resize(tree.nodes.size() + kSetNodes);
        std::memcpy(static_cast<void*>(tree.nodes.data() + tree.nodes.size() - kSetNodes), set.data(), sizeof set);
        return true;
    }

    template <typename Left>
    bool divide_by(TreeRows& rows, const Pending& node, const Split& split, Tree& tree, std::vector<Pending>& stack,
                   Left goes_left) {
        const std::uint8_t* column = bins_.column(split.feature);
        const std::size_t e = part(rows.estimate, node.estimate, column, goes_left);
        if (e == node.estimate.begin || e == node.estimate.end) return false;
        const std::size_t o = part(rows.outside, node.outside, column, goes_left);
        const std::size_t s = part(place_, node.split, &near_[split.feature * m_], goes_left);
        const auto left = static_cast<std::int32_t>(tree.nodes.size());
        tree.nodes[static_cast<std::size_t>(node.node)] = {split, left};
        tree.nodes.resize(tree.nodes.size() + 2);
        const std::uint32_t depth = node.depth + 1;
        stack.push_back({left + 1, depth, {s, node.split.end}, {e, node.estimate.end}, {o, node.outside.end}});
        stack.push_back({left, depth, {node.split.begin, s}, {node.estimate.begin, e}, {node.outside.begin, o}});
        return true;
    }

    // Stable: rows stay in ascending order inside every node. Writes both sides, advances one: no branch to mispredict.
    template <typename Left>
    std::size_t part(RowList& rows, Range range, const std::uint8_t* column, Left goes_left) {
        if (spare_.size() < range.size()) spare_.resize(range.size());
        std::size_t left = range.begin, right = 0;
        for (std::size_t i = range.begin; i < range.end; ++i) {
            const std::uint32_t row = rows[i];
            const bool is_left = goes_left(column[row]);
            rows[left] = row;
            spare_[right] = row;
            left += is_left;
            right += !is_left;
        }
        std::copy(spare_.begin(), spare_.begin() + static_cast<std::ptrdiff_t>(right),
                  rows.begin() + static_cast<std::ptrdiff_t>(left));
        return left;
    }

    void close_leaf(const TreeRows& rows, const Pending& node, Tree& tree, std::int32_t* leaf_of) const {
        const auto leaf = static_cast<std::int32_t>(tree.leaves.size() / S);
        tree.nodes[static_cast<std::size_t>(node.node)] = {Split{}, leaf};
        double sums[S] = {}, total = 0;
        for (std::size_t i = node.estimate.begin; i < node.estimate.end; ++i) {
            const double w = model_.columns.weight(rows.estimate[i]);
            model_.add(rows.estimate[i], w, sums);
            total += w;
        }
        for (double sum : sums) tree.leaves.push_back(sum / total);
        for (std::size_t i = node.outside.begin; i < node.outside.end; ++i) leaf_of[rows.outside[i]] = leaf;
        if (!settings_.keep_members) return;
        for (std::size_t i = node.estimate.begin; i < node.estimate.end; ++i)
            tree.members.push_back(static_cast<std::int32_t>(rows.estimate[i]));
        tree.member_end.push_back(static_cast<std::int32_t>(tree.members.size()));
    }

    const Model& model_;
    Bins bins_;
    GrowSettings settings_;
    SplitFinder<Model> finder_;
    std::size_t m_ = 0;
    std::vector<std::uint8_t> near_;
    RowList place_;  // a splitting row's column in near_, node by node
    RowList rows_, spare_;
    std::vector<typename Model::Row> labels_;
};

}  // namespace butfor::forest
