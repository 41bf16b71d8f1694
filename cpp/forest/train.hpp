// Trains a forest bag by bag, and keeps score of what each row's trees say.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "../parallel.hpp"
#include "bins.hpp"
#include "grow.hpp"
#include "little_bags.hpp"
#include "predict.hpp"
#include "sampling.hpp"
#include "tree.hpp"

namespace butfor::forest {

struct TrainSettings {
    GrowSettings grow;
    SampleSettings sample;
    std::size_t bags, bag_size;  // a forest has bags × bag_size trees
    std::uint64_t seed;
    int threads;
    bool keep_trees;
};

struct Forest {
    std::vector<Tree> trees;
    std::vector<std::uint32_t> split_counts;  // kCountedDepth × p
    Estimates outside;                        // out-of-bag
};

// Called on the thread that called `train`, with the bags done so far; may throw to stop.
using Progress = std::function<void(std::size_t)>;

// Scratch space that outlives the chunk that made it: as many pieces as threads ever ran at once.
template <typename Scratch>
class Pool {
public:
    template <typename Make, typename Use>
    void with(Make make, Use use) {
        std::unique_ptr<Scratch> mine;
        {
            const std::lock_guard<std::mutex> locked(guard_);
            if (!idle_.empty()) {
                mine = std::move(idle_.back());
                idle_.pop_back();
            }
        }
        if (!mine) mine = make();
        use(*mine);
        const std::lock_guard<std::mutex> locked(guard_);
        idle_.push_back(std::move(mine));
    }

private:
    std::mutex guard_;
    std::vector<std::unique_ptr<Scratch>> idle_;
};

template <typename Model>
class Trainer {
public:
    static constexpr int S = Model::statistics;

    Trainer(const Model& model, const Bins& bins, const Units& units, const TrainSettings& settings)
        : model_(model), bins_(bins), units_(units), settings_(settings), sums_(bins.n) {}

    Forest train(const Progress& progress) {
        Forest forest;
        forest.split_counts.assign(kCountedDepth * bins_.p, 0);
        for (std::size_t first = 0; first < settings_.bags; first += kBatch) {
            std::vector<Bag> batch(std::min(kBatch, settings_.bags - first));
            grow(first, batch, progress);
            add_up(batch);
            for (Bag& bag : batch) {
                for (std::size_t c = 0; c < bag.split_counts.size(); ++c) forest.split_counts[c] += bag.split_counts[c];
                if (settings_.keep_trees)
                    std::move(bag.trees.begin(), bag.trees.end(), std::back_inserter(forest.trees));
            }
        }
        forest.outside = solve();
        return forest;
    }

private:
    // Bags in memory at a time, whatever the number of threads; it bounds the memory: batch × bag size × rows.
    static constexpr std::size_t kBatch = 8;
    static constexpr std::size_t kRowChunk = 4096;
    static constexpr std::int32_t kInside = -1;

    struct Bag {
        std::vector<Tree> trees;
        std::vector<std::int32_t> leaf_of;  // trees × n; kInside for the rows of the bag
        std::vector<std::uint32_t> split_counts;
    };

    void grow(std::size_t first, std::vector<Bag>& batch, const Progress& progress) {
        const auto caller = std::this_thread::get_id();
        std::atomic<std::size_t> done{first};
        for_each_chunk(batch.size(), settings_.threads, [&](std::size_t b) {
            growers_.with([&] { return std::make_unique<Grower<Model>>(model_, bins_, settings_.grow); },
                          [&](Grower<Model>& grower) { grow_bag(first + b, grower, batch[b]); });
            ++done;
            if (std::this_thread::get_id() == caller) progress(done);
        });
    }

    void grow_bag(std::size_t number, Grower<Model>& grower, Bag& bag) {
        const std::size_t n = bins_.n;
        bag.split_counts.assign(kCountedDepth * bins_.p, 0);
        bag.leaf_of.assign(settings_.bag_size * n, kInside);
        const BagRows rows = draw_bag(units_, settings_.sample, Random(settings_.seed, number * (settings_.bag_size + 1)));
        for (std::size_t t = 0; t < settings_.bag_size; ++t) {
            Random random(settings_.seed, number * (settings_.bag_size + 1) + t + 1);
            TreeRows tree_rows = draw_tree(units_, rows, settings_.sample, random);
            bag.trees.push_back(grower.grow(std::move(tree_rows), random, &bag.leaf_of[t * n], bag.split_counts.data()));
        }
    }

    // Every row adds the bags in their order: the same bits for any number of threads.
    void add_up(const std::vector<Bag>& batch) {
        const std::size_t n = bins_.n, k = settings_.bag_size;
        for_each_chunk((n + kRowChunk - 1) / kRowChunk, settings_.threads, [&](std::size_t c) {
            std::vector<const double*> leaves(k);
            const std::size_t stop = std::min(n, (c + 1) * kRowChunk);
            for (const Bag& bag : batch) {
                for (std::size_t i = c * kRowChunk; i < stop; ++i) {
                    if (bag.leaf_of[i] == kInside) continue;
                    for (std::size_t t = 0; t < k; ++t)
                        leaves[t] = &bag.trees[t].leaves[static_cast<std::size_t>(bag.leaf_of[t * n + i]) * S];
                    sums_[i].add(leaves.data(), k);
                }
            }
        });
    }

    Estimates solve() const {
        const std::size_t n = bins_.n;
        Estimates out(n, Model::estimates);
        for_each_chunk((n + kRowChunk - 1) / kRowChunk, settings_.threads, [&](std::size_t c) {
            const std::size_t stop = std::min(n, (c + 1) * kRowChunk);
            for (std::size_t i = c * kRowChunk; i < stop; ++i) solve_row<Model>(sums_[i], settings_.bag_size, out, i);
        });
        return out;
    }

    const Model& model_;
    Bins bins_;
    Units units_;
    TrainSettings settings_;
    Pool<Grower<Model>> growers_;
    std::vector<BagSums<S>> sums_;
};

}  // namespace butfor::forest
