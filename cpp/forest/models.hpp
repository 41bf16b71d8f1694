// What a forest estimates. A model is three small answers, and a new forest is one more of them:
//
//   label   the pseudo-outcomes ρ of a node's rows: the score of its estimating equation at the node's solution
//           (Athey, Tibshirani and Wager 2019, doi:10.1214/18-AOS1709, sections 2.2 and 2.3)
//   add     the statistics of a row that leaves average
//   solve   the estimate from averaged statistics, with its gradient (the delta method gives the variance)
//
// Scores are polynomials in the raw columns, hence averages of a few products are all that leaves need to keep.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "sums.hpp"

namespace butfor::forest {

// Below this share of the variance a treatment does not vary: nothing is estimated.
constexpr double kLeastVariance = 1e-10;

// Of which rows both children of a split must keep enough, besides rows at all.
enum class Sides {
    none,
    arms,  // rows where treatment a is not below zero are arm a; the others are the reference
    both,  // rows on either side of zero, for every treatment
};

// The columns of a forest, each of length n: `weights` may be null, unused ones are null.
struct Columns {
    const double* outcome;     // n × outcomes
    const double* treatment;   // n × treatments; of a survival forest, whether each time ended in an event
    const double* instrument;  // n
    const double* weights;
    double weight(std::uint32_t row) const { return weights ? weights[row] : 1.0; }
};

// E[Y | X] for K outcomes; indicators of classes make it a probability forest.
template <int K>
struct Regression {
    static constexpr int estimates = K, statistics = K, arms = 1;
    static constexpr Sides sides = Sides::none;
    using Row = Sums<K, 1>;
    Columns columns;

    bool label(const std::uint32_t* rows, std::size_t m, Row* out) const {
        double total = 0, mean[K] = {};
        for (std::size_t i = 0; i < m; ++i) {
            const double w = columns.weight(rows[i]);
            total += w;
            for (int k = 0; k < K; ++k) mean[k] += w * columns.outcome[rows[i] * K + k];
        }
        for (int k = 0; k < K; ++k) mean[k] /= total;
        for (std::size_t i = 0; i < m; ++i) {
            const double w = columns.weight(rows[i]);
            out[i].tally[0] = 1.0;
            out[i].weight = out[i].size = w;
            for (int k = 0; k < K; ++k) out[i].rho[k] = w * (columns.outcome[rows[i] * K + k] - mean[k]);
        }
        return true;
    }

    void add(std::uint32_t row, double weight, double* sums) const {
        for (int k = 0; k < K; ++k) sums[k] += weight * columns.outcome[row * K + k];
    }

    static bool solve(const double* mean, double* estimate, double* gradient) {
        for (int k = 0; k < K; ++k) {
            estimate[k] = mean[k];
            for (int s = 0; s < K; ++s) gradient[k * K + s] = s == k ? 1.0 : 0.0;
        }
        return true;
    }
};

// Slope of the outcome on the treatment among the rows near x, where an instrument moves the treatment:
// τ = Cov(Z, Y) / Cov(Z, T). Rows count as upper or lower by the sign of the centred instrument.
struct Instrumental {
    static constexpr int estimates = 1, statistics = 5, arms = 1;
    static constexpr Sides sides = Sides::both;
    using Row = Sums<1, 1>;
    Columns columns;

    bool label(const std::uint32_t* rows, std::size_t m, Row* out) const {
        return label_slope(columns, columns.instrument, rows, m, out);
    }

    void add(std::uint32_t row, double weight, double* sums) const {
        const double y = columns.outcome[row], t = columns.treatment[row], z = columns.instrument[row];
        sums[0] += weight * y;
        sums[1] += weight * t;
        sums[2] += weight * z;
        sums[3] += weight * z * y;
        sums[4] += weight * z * t;
    }

    static bool solve(const double* mean, double* estimate, double* gradient) {
        const double y = mean[0], t = mean[1], z = mean[2];
        const double top = mean[3] - z * y, bottom = mean[4] - z * t;
        if (!(std::fabs(bottom) > kLeastVariance)) return false;
        const double slope = top / bottom;
        *estimate = slope;
        gradient[0] = -z / bottom;
        gradient[1] = slope * z / bottom;
        gradient[2] = (slope * t - y) / bottom;
        gradient[3] = 1.0 / bottom;
        gradient[4] = -slope / bottom;
        return true;
    }

    // ρ = (Z − mean)(Y − mean − τ (T − mean)), the score of the slope; the size of a row is w (Z − mean)².
    static bool label_slope(const Columns& columns, const double* instrument, const std::uint32_t* rows, std::size_t m,
                            Row* out) {
        double total = 0, y = 0, t = 0, z = 0, zy = 0, zt = 0, zz = 0;
        for (std::size_t i = 0; i < m; ++i) {
            const std::uint32_t row = rows[i];
            const double w = columns.weight(row), wz = w * instrument[row];
            total += w;
            y += w * columns.outcome[row];
            t += w * columns.treatment[row];
            z += wz;
            zy += wz * columns.outcome[row];
            zt += wz * columns.treatment[row];
            zz += wz * instrument[row];
        }
        y /= total, t /= total, z /= total;
        const double bottom = zt / total - z * t;
        if (!(std::fabs(bottom) > kLeastVariance * (zz / total))) return false;
        const double slope = (zy / total - z * y) / bottom;
        for (std::size_t i = 0; i < m; ++i) {
            const std::uint32_t row = rows[i];
            const double w = columns.weight(row), distance = instrument[row] - z;
            out[i].tally[0] = tally_of(instrument[row] >= 0.0);
            out[i].weight = w;
            out[i].size = w * distance * distance;
            out[i].rho[0] = w * distance * (columns.outcome[row] - y - slope * (columns.treatment[row] - t));
        }
        return true;
    }
};

// The treatment is its own instrument: τ = Cov(T, Y) / Var(T), with one statistic less to average.
struct Causal {
    static constexpr int estimates = 1, statistics = 4, arms = 1;
    static constexpr Sides sides = Sides::both;
    using Row = Sums<1, 1>;
    Columns columns;

    bool label(const std::uint32_t* rows, std::size_t m, Row* out) const {
        return Instrumental::label_slope(columns, columns.treatment, rows, m, out);
    }

    void add(std::uint32_t row, double weight, double* sums) const {
        const double y = columns.outcome[row], t = columns.treatment[row];
        sums[0] += weight * y;
        sums[1] += weight * t;
        sums[2] += weight * t * y;
        sums[3] += weight * t * t;
    }

    static bool solve(const double* mean, double* estimate, double* gradient) {
        const double y = mean[0], t = mean[1];
        const double bottom = mean[3] - t * t;
        if (!(bottom > kLeastVariance)) return false;
        const double slope = (mean[2] - t * y) / bottom;
        *estimate = slope;
        gradient[0] = -t / bottom;
        gradient[1] = (2.0 * slope * t - y) / bottom;
        gradient[2] = 1.0 / bottom;
        gradient[3] = -slope / bottom;
        return true;
    }
};

}  // namespace butfor::forest
