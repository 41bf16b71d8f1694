// Forests of distributions: they split where whole distributions differ, and leave the curves to the weights of rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models.hpp"
#include "sums.hpp"

namespace butfor::forest {

// A node's places in the order of the outcome; scratch space of one thread.
inline const std::vector<std::uint32_t>& by_outcome(const Columns& columns, const std::uint32_t* rows, std::size_t m) {
    thread_local std::vector<std::uint32_t> order;
    order.resize(m);
    for (std::size_t i = 0; i < m; ++i) order[i] = static_cast<std::uint32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return columns.outcome[rows[a]] < columns.outcome[rows[b]];
    });
    return order;
}

// Where quantiles differ: the pseudo-outcomes are whether a row is at most the node's quantile of each of three levels
// (Athey, Tibshirani and Wager 2019, section 5). Leaves keep the mean outcome.
struct Quantile {
    static constexpr int estimates = 1, statistics = 1, arms = 1, levels = 3;
    static constexpr double level[levels] = {0.1, 0.5, 0.9};
    static constexpr Sides sides = Sides::none;
    using Row = Sums<levels, 1>;
    Columns columns;

    bool label(const std::uint32_t* rows, std::size_t m, Row* out) const {
        const std::vector<std::uint32_t>& order = by_outcome(columns, rows, m);
        double total = 0, below = 0, cut[levels], share[levels] = {};
        for (std::size_t i = 0; i < m; ++i) total += columns.weight(rows[i]);
        int next = 0;
        for (std::size_t i = 0; i < m && next < levels; ++i) {
            const std::uint32_t row = rows[order[i]];
            below += columns.weight(row);
            while (next < levels && below >= level[next] * total * kAlmostOne) cut[next++] = columns.outcome[row];
        }
        for (std::size_t i = 0; i < m; ++i)
            for (int k = 0; k < levels; ++k)
                if (columns.outcome[rows[i]] <= cut[k]) share[k] += columns.weight(rows[i]) / total;
        for (std::size_t i = 0; i < m; ++i) {
            const double w = columns.weight(rows[i]);
            out[i].tally[0] = 1.0;
            out[i].weight = out[i].size = w;
            for (int k = 0; k < levels; ++k)
                out[i].rho[k] = w * ((columns.outcome[rows[i]] <= cut[k] ? 1.0 : 0.0) - share[k]);
        }
        return true;
    }

    void add(std::uint32_t row, double weight, double* sums) const { sums[0] += weight * columns.outcome[row]; }

    static bool solve(const double* mean, double* estimate, double* gradient) {
        return Regression<1>::solve(mean, estimate, gradient);
    }

    // Weights that add up to a level but for rounding have reached it.
    static constexpr double kAlmostOne = 1.0 - 1e-12;
};

// Where survival differs: the pseudo-outcomes are martingale residuals δ − Λ(T) with the node's Nelson-Aalen Λ, so that
// the gain is the log-rank statistic with its permutation variance. `columns.treatment` holds δ, whether the time ended
// in an event; both children must keep a share of the events. Leaves keep the share of events.
struct Survival {
    static constexpr int estimates = 1, statistics = 1, arms = 1;
    static constexpr Sides sides = Sides::none;
    using Row = Sums<1, 1>;
    Columns columns;

    bool label(const std::uint32_t* rows, std::size_t m, Row* out) const {
        const std::vector<std::uint32_t>& order = by_outcome(columns, rows, m);
        double at_risk = 0, events = 0, hazard = 0;
        for (std::size_t i = 0; i < m; ++i) {
            at_risk += columns.weight(rows[i]);
            events += columns.weight(rows[i]) * columns.treatment[rows[i]];
        }
        if (!(events > 0)) return false;
        for (std::size_t i = 0; i < m;) {
            std::size_t end = i;
            double leaving = 0, dying = 0;
            for (; end < m && columns.outcome[rows[order[end]]] == columns.outcome[rows[order[i]]]; ++end) {
                const std::uint32_t row = rows[order[end]];
                leaving += columns.weight(row);
                dying += columns.weight(row) * columns.treatment[row];
            }
            if (dying > 0) hazard += dying / at_risk;
            for (; i < end; ++i) {
                const std::uint32_t row = rows[order[i]];
                const double w = columns.weight(row), died = columns.treatment[row];
                Row& label = out[order[i]];
                label.tally[0] = 1.0;
                label.weight = w;
                label.size = w * died;
                label.rho[0] = w * (died - hazard);
            }
            at_risk -= leaving;
        }
        return true;
    }

    void add(std::uint32_t row, double weight, double* sums) const { sums[0] += weight * columns.treatment[row]; }

    static bool solve(const double* mean, double* estimate, double* gradient) {
        return Regression<1>::solve(mean, estimate, gradient);
    }
};

}  // namespace butfor::forest
