// Effects with slopes: near a point the effect is a plane and not a constant, which takes away most of the bias of
// smoothing (Friedberg, Tibshirani, Athey and Wager 2021, doi:10.1080/10618600.2020.1831930, for regression).
//
// With the forest's weights α_i(x) and features f = (1, T, T z_1, …, T z_k) of a row,
//   θ(x) = argmin Σ α_i (y_i − f_i'θ)² + v Σ_j λ_j θ_j²,   v = Σ α_i T_i²,   effect(x) = c'θ,   c = (0, 1, z(x)).
// Every sum is a mean over trees of a leaf's mean of f f' and f y, so that nothing of size points × rows is made.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../parallel.hpp"
#include "little_bags.hpp"
#include "models.hpp"
#include "predict.hpp"
#include "sampling.hpp"

namespace butfor::forest {

// What the planes are fitted to, and where. Matrices are row-major; `width` = 2 + slopes columns.
struct SlopeData {
    const double *features, *outcome;  // rows × width, rows
    const double* points;              // c: points × width
    const double* penalties;           // sets × width; the last set makes the variance
    std::size_t rows, width, sets;
};

struct SlopeEstimates {
    std::vector<double> value;                  // points × sets
    std::vector<double> variance, monte_carlo;  // points, of the last set
};

// The root L of a positive definite matrix, for any width; only the lower triangle (row-major) is used.
class WideRoot {
public:
    WideRoot(std::vector<double>& matrix, std::size_t width) : a_(matrix), q_(width) {
        for (std::size_t j = 0; j < q_; ++j) {
            const double before = a_[j * q_ + j];
            for (std::size_t k = 0; k < j; ++k) a_[j * q_ + j] -= a_[j * q_ + k] * a_[j * q_ + k];
            if (!(a_[j * q_ + j] > kLeastVariance * before)) return;
            a_[j * q_ + j] = std::sqrt(a_[j * q_ + j]);
            for (std::size_t i = j + 1; i < q_; ++i) {
                for (std::size_t k = 0; k < j; ++k) a_[i * q_ + j] -= a_[i * q_ + k] * a_[j * q_ + k];
                a_[i * q_ + j] /= a_[j * q_ + j];
            }
        }
        fine_ = true;
    }
    bool fine() const { return fine_; }

    // x = A⁻¹ b.
    void solve(const double* b, double* x) const {
        for (std::size_t i = 0; i < q_; ++i) {
            x[i] = b[i];
            for (std::size_t k = 0; k < i; ++k) x[i] -= a_[i * q_ + k] * x[k];
            x[i] /= a_[i * q_ + i];
        }
        for (std::size_t i = q_; i-- > 0;) {
            for (std::size_t k = i + 1; k < q_; ++k) x[i] -= a_[k * q_ + i] * x[k];
            x[i] /= a_[i * q_ + i];
        }
    }

private:
    std::vector<double>& a_;
    std::size_t q_;
    bool fine_ = false;
};

// Asks all trees about a block of points twice: for the sums that make θ, then for what each bag pulls at the effect.
class SlopeSolver {
public:
    // The points are the rows of the forest, in their order, and each asks the bags that it was not in.
    struct Own {
        Units units;
        SampleSettings sample;
        std::uint64_t seed;
    };

    SlopeSolver(const StoredTrees& trees, const Members& members, const Bins& bins, const SlopeData& data,
                const Own* own, int threads)
        : trees_(trees), members_(members), bins_(bins), data_(data), own_(own), threads_(threads),
          statistics_(data.width * (data.width + 3) / 2) {}

    SlopeEstimates solve() {
        SlopeEstimates out{std::vector<double>(bins_.n * data_.sets, Estimates::kNone),
                           std::vector<double>(bins_.n, Estimates::kNone),
                           std::vector<double>(bins_.n, Estimates::kNone)};
        for (first_ = 0; first_ < bins_.n; first_ += kBlock) solve_block(out);
        return out;
    }

private:
    static constexpr std::size_t kBlock = 1 << 17;  // points whose sums are in memory together
    static constexpr std::size_t kBatch = 8;        // bags whose leaves are in memory together
    static constexpr std::size_t kChunk = 256;

    // The means of f f' (upper triangle) and f y over the rows of every leaf of a tree.
    std::vector<double> leaf_means(std::size_t tree) const {
        const auto first = static_cast<std::size_t>(trees_.leaf_start[tree]);
        const auto last = static_cast<std::size_t>(trees_.leaf_start[tree + 1]);
        const std::size_t q = data_.width;
        std::vector<double> means((last - first) * statistics_);
        for (std::size_t leaf = first; leaf < last; ++leaf) {
            double* mean = &means[(leaf - first) * statistics_];
            double total = 0;
            for (std::int64_t m = leaf == 0 ? 0 : members_.end[leaf - 1]; m < members_.end[leaf]; ++m) {
                const auto row = static_cast<std::size_t>(members_.rows[m]);
                const double w = members_.weights ? members_.weights[row] : 1.0, y = data_.outcome[row];
                const double* f = data_.features + row * q;
                total += w;
                double* at = mean;
                for (std::size_t a = 0; a < q; ++a) {
                    const double wf = w * f[a];
                    for (std::size_t b = a; b < q; ++b) *at++ += wf * f[b];
                }
                for (std::size_t a = 0; a < q; ++a) *at++ += w * f[a] * y;
            }
            for (std::size_t s = 0; s < statistics_; ++s) mean[s] /= total;
        }
        return means;
    }

    // Calls visit(point of the block, leaf means by tree, room for a number per tree) for every point and every bag that
    // it may ask, in the order of the bags.
    template <typename Visit>
    void visit_bags(Visit visit) {
        const std::size_t k = trees_.bag_size, bags = trees_.trees / k, points = block_end() - first_;
        for (std::size_t start = 0; start < bags; start += kBatch) {
            const std::size_t count = std::min(kBatch, bags - start);
            std::vector<std::vector<double>> means(count * k);
            std::vector<std::vector<bool>> outside(count);
            for_each_chunk(count * k, threads_, [&](std::size_t t) {
                means[t] = leaf_means(start * k + t);
                if (own_ != nullptr && t % k == 0) outside[t / k] = outside_of(start + t / k);
            });
            for_each_chunk((points + kChunk - 1) / kChunk, threads_, [&](std::size_t c) {
                std::vector<const double*> found(k);
                std::vector<double> scratch(k);
                std::vector<std::uint8_t> near(bins_.p);
                for (std::size_t i = c * kChunk; i < std::min(points, (c + 1) * kChunk); ++i) {
                    for (std::size_t j = 0; j < bins_.p; ++j) near[j] = bins_.column(j)[first_ + i];
                    for (std::size_t b = 0; b < count; ++b) {
                        if (own_ != nullptr && !outside[b][first_ + i]) continue;
                        for (std::size_t t = 0; t < k; ++t) {
                            const Node* root = trees_.nodes + trees_.node_start[(start + b) * k + t];
                            const auto leaf = static_cast<std::size_t>(find_leaf(root, near.data(), 1));
                            found[t] = &means[b * k + t][leaf * statistics_];
                        }
                        visit(i, found.data(), scratch.data());
                    }
                }
            });
        }
    }

    void solve_block(SlopeEstimates& out) {
        const std::size_t points = block_end() - first_, k = trees_.bag_size;
        std::vector<double> sums(points * statistics_), asked(points);
        visit_bags([&](std::size_t i, const double** found, double*) {
            asked[i] += 1.0;
            double* sum = &sums[i * statistics_];
            for (std::size_t t = 0; t < k; ++t)
                for (std::size_t s = 0; s < statistics_; ++s) sum[s] += found[t][s];
        });
        std::vector<char> solved(points);
        for_each_chunk((points + kChunk - 1) / kChunk, threads_, [&](std::size_t c) {
            for (std::size_t i = c * kChunk; i < std::min(points, (c + 1) * kChunk); ++i)
                solved[i] = asked[i] > 0 && solve_point(i, asked[i] * static_cast<double>(k), &sums[i * statistics_], out);
        });
        std::vector<BagSums<1>> pulls(points);
        visit_bags([&](std::size_t i, const double** found, double* pull) {
            if (!solved[i]) return;
            const double* gradient = &sums[i * statistics_];
            for (std::size_t t = 0; t < k; ++t) {
                double sum = 0;
                for (std::size_t s = 0; s < statistics_; ++s) sum += gradient[s] * found[t][s];
                pull[t] = sum;
                found[t] = &pull[t];
            }
            pulls[i].add(found, k);
        });
        const double one = 1.0, trees = static_cast<double>(k);
        for (std::size_t i = 0; i < points; ++i) {
            if (!solved[i] || k < 2 || pulls[i].bags < 2) continue;
            const Spread<1, 1> spread(pulls[i], &one, k);
            out.variance[first_ + i] = sampling_variance(spread.between[0], spread.noise[0], pulls[i].bags, trees);
            out.monte_carlo[first_ + i] = spread.noise[0] / pulls[i].bags;
        }
    }

    // Writes the effects; turns the sums into the gradient of the last effect by each of them.
    bool solve_point(std::size_t i, double trees, double* sums, SlopeEstimates& out) const {
        const std::size_t q = data_.width, products = statistics_ - q;
        for (std::size_t s = 0; s < statistics_; ++s) sums[s] /= trees;
        const double* c = data_.points + (first_ + i) * q;
        const double size = sums[q];  // the mean of T²
        if (!(size > kLeastVariance)) return false;
        std::vector<double> gram(q * q), theta(q), pull(q);
        for (std::size_t set = 0; set < data_.sets; ++set) {
            for (std::size_t a = 0, at = 0; a < q; ++a)
                for (std::size_t b = a; b < q; ++b, ++at) gram[b * q + a] = sums[at];
            for (std::size_t a = 0; a < q; ++a) gram[a * q + a] += size * data_.penalties[set * q + a];
            const WideRoot root(gram, q);
            if (!root.fine()) return false;
            root.solve(sums + products, theta.data());
            double effect = 0;
            for (std::size_t a = 0; a < q; ++a) effect += c[a] * theta[a];
            out.value[(first_ + i) * data_.sets + set] = effect;
            if (set + 1 == data_.sets) root.solve(c, pull.data());
        }
        for (std::size_t a = 0, at = 0; a < q; ++a)
            for (std::size_t b = a; b < q; ++b, ++at)
                sums[at] = -pull[a] * theta[b] - (a == b ? 0.0 : pull[b] * theta[a]);
        std::copy(pull.begin(), pull.end(), sums + products);
        return true;
    }

    std::vector<bool> outside_of(std::size_t bag) const {
        std::vector<bool> outside(bins_.n);
        const Random random(own_->seed, bag * (trees_.bag_size + 1));
        for (const std::uint32_t row : draw_bag(own_->units, own_->sample, random).outside) outside[row] = true;
        return outside;
    }

    std::size_t block_end() const { return std::min(bins_.n, first_ + kBlock); }

    const StoredTrees& trees_;
    Members members_;
    Bins bins_;
    SlopeData data_;
    const Own* own_;
    int threads_;
    std::size_t statistics_, first_ = 0;
};

}  // namespace butfor::forest
