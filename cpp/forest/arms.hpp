// Slopes of an outcome on several treatments at once: the arms of an experiment, or amounts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cholesky.hpp"
#include "models.hpp"
#include "sums.hpp"

namespace butfor::forest {

// β = Var(T)⁻¹ Cov(T, Y) among the rows near x. With `sides` arms, treatment a is what is left of the indicator of arm
// a, and a child must keep rows of every arm, the reference included; with `both`, rows on either side of every mean.
//
// Splits are chosen in the metric of the node's Var(T): the pseudo-outcomes are L⁻¹ (T − mean) (Y − mean − β (T − mean))
// with L L' = Var(T), so that neither the units of a treatment nor the choice of the reference arm matters.
template <int T, Sides kSides>
struct Linear {
    static constexpr int estimates = T, statistics = 1 + 2 * T + triangle(T), arms = T;
    static constexpr Sides sides = kSides;
    using Row = Sums<T, T>;
    Columns columns;

    bool label(const std::uint32_t* rows, std::size_t m, Row* out) const {
        double mean[statistics] = {}, total = 0;
        for (std::size_t i = 0; i < m; ++i) {
            const double w = columns.weight(rows[i]);
            add(rows[i], w, mean);
            total += w;
        }
        for (double& sum : mean) sum /= total;
        Local local;
        if (!local.fit(mean)) return false;
        for (std::size_t i = 0; i < m; ++i) {
            const double w = columns.weight(rows[i]), *t = columns.treatment + rows[i] * T;
            double distance[T], residual = columns.outcome[rows[i]] - mean[0];
            for (int a = 0; a < T; ++a) {
                distance[a] = t[a] - mean[1 + a];
                residual -= local.slope[a] * distance[a];
                out[i].tally[a] = tally_of(t[a] >= 0.0);
            }
            local.root.whiten(distance);
            out[i].weight = w;
            out[i].size = 0;
            for (int a = 0; a < T; ++a) {
                out[i].size += w * distance[a] * distance[a];
                out[i].rho[a] = w * distance[a] * residual;
            }
        }
        return true;
    }

    // Y, then T, T Y and the triangle of T T'.
    void add(std::uint32_t row, double weight, double* sums) const {
        const double y = columns.outcome[row], *t = columns.treatment + row * T;
        sums[0] += weight * y;
        for (int a = 0; a < T; ++a) {
            const double wt = weight * t[a];
            sums[1 + a] += wt;
            sums[1 + T + a] += wt * y;
            for (int b = 0; b <= a; ++b) sums[1 + 2 * T + triangle(a) + b] += wt * t[b];
        }
    }

    // β solves A β = c, so that dβ = A⁻¹ (dc − dA β).
    static bool solve(const double* mean, double* estimate, double* gradient) {
        Local local;
        if (!local.fit(mean)) return false;
        const double y = mean[0], *t = mean + 1, *slope = local.slope;
        double along = -y;  // t'β − y
        for (int a = 0; a < T; ++a) along += t[a] * slope[a];
        for (int k = 0; k < T; ++k) {
            double row[T] = {};  // of A⁻¹
            row[k] = 1.0;
            local.root.solve(row);
            double reach = 0;  // (A⁻¹ t)_k
            for (int a = 0; a < T; ++a) reach += row[a] * t[a];
            double* out = gradient + k * statistics;
            estimate[k] = slope[k];
            out[0] = -reach;
            for (int a = 0; a < T; ++a) {
                out[1 + a] = row[a] * along + reach * slope[a];
                out[1 + T + a] = row[a];
                for (int b = 0; b < a; ++b) out[1 + 2 * T + triangle(a) + b] = -(row[a] * slope[b] + row[b] * slope[a]);
                out[1 + 2 * T + triangle(a) + a] = -row[a] * slope[a];
            }
        }
        return true;
    }

private:
    // The least-squares fit behind averaged statistics.
    struct Local {
        Root<T> root;
        double slope[T];

        bool fit(const double* mean) {
            const double *t = mean + 1, *square = mean + 1 + 2 * T;
            double covariance[triangle(T)], scale[T];
            for (int a = 0; a < T; ++a) {
                slope[a] = mean[1 + T + a] - t[a] * mean[0];
                scale[a] = square[triangle(a) + a];
                for (int b = 0; b <= a; ++b) covariance[triangle(a) + b] = square[triangle(a) + b] - t[a] * t[b];
            }
            if (!root.factor(covariance, scale, kLeastVariance)) return false;
            root.solve(slope);
            return true;
        }
    };
};

}  // namespace butfor::forest
