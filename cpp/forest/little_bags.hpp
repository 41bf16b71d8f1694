// Estimates and their variances from running sums per row: nothing of size rows × trees is ever kept.
#pragma once

#include <cmath>
#include <cstddef>

#include "cholesky.hpp"

namespace butfor::forest {

// What a row knows of the bags it was outside of. s_t are the statistics of its leaf in tree t, s_g their mean over the
// k trees of bag g. The estimate depends on the s_t through their mean only, so its variance is a quadratic form of
//   between = Σ_g s_g s_g'   and   within = Σ_g Σ_{t in g} (s_t − s_g)(s_t − s_g)'.
// Packed lower triangles, in one run of doubles per row.
template <int S>
struct BagSums {
    double bags, mean[S], between[triangle(S)], within[triangle(S)];

    // trees: k pointers to the row's leaf statistics.
    void add(const double* const* trees, std::size_t k) {
        const double share = 1.0 / static_cast<double>(k);
        double centre[S];
        for (int s = 0; s < S; ++s) {
            centre[s] = 0;
            for (std::size_t t = 0; t < k; ++t) centre[s] += trees[t][s];
            centre[s] *= share;
            mean[s] += centre[s];
        }
        bags += 1;
        add_outer(centre, between);
        for (std::size_t t = 0; t < k; ++t) {
            double distance[S];
            for (int s = 0; s < S; ++s) distance[s] = trees[t][s] - centre[s];
            add_outer(distance, within);
        }
    }

private:
    static void add_outer(const double* v, double* packed) {
        for (int a = 0, at = 0; a < S; ++a)
            for (int b = 0; b <= a; ++b, ++at) packed[at] += v[a] * v[b];
    }
};

// M v of a packed lower triangle.
template <int S>
void symmetric_times(const double* packed, const double* v, double* out) {
    for (int a = 0, at = 0; a < S; ++a) {
        out[a] = 0;
        for (int b = 0; b < a; ++b, ++at) {
            out[a] += packed[at] * v[b];
            out[b] += packed[at] * v[a];
        }
        out[a] += packed[at++] * v[a];
    }
}

template <int S>
double dot(const double* u, const double* v) {
    double sum = 0;
    for (int s = 0; s < S; ++s) sum += u[s] * v[s];
    return sum;
}

// A difference of two variances may fall below zero, the variance it stands for cannot. With the error of the difference
// taken as normal and a flat prior on the positive half-line, the posterior mean is v + e φ(v/e) / Φ(v/e).
inline double positive_part(double difference, double error) {
    if (!(error > 0)) return std::fmax(difference, 0.0);
    const double z = difference / error;
    if (z < -30.0) return error * error / -difference;  // the limit, where both φ and Φ underflow
    const double density = std::exp(-0.5 * z * z) / std::sqrt(2.0 * 3.14159265358979323846);
    return difference + error * density / (0.5 * std::erfc(-z / std::sqrt(2.0)));
}

// How K estimates with these gradients (K × S) vary together, as packed lower triangles: between the bags, and how much
// of that is the noise of their trees.
// Sexton and Laake 2009 (doi:10.1016/j.csda.2008.08.007); Athey, Tibshirani and Wager 2019, section 4.
template <int S, int K>
struct Spread {
    double between[triangle(K)], noise[triangle(K)];

    Spread(const BagSums<S>& sums, const double* gradient, std::size_t k) {
        const double bags = sums.bags, trees = static_cast<double>(k);
        double mean[K], of_between[S], of_within[S];
        for (int a = 0; a < K; ++a) mean[a] = dot<S>(gradient + a * S, sums.mean) / bags;
        for (int a = 0, at = 0; a < K; ++a) {
            symmetric_times<S>(sums.between, gradient + a * S, of_between);
            symmetric_times<S>(sums.within, gradient + a * S, of_within);
            for (int b = 0; b <= a; ++b, ++at) {
                between[at] = dot<S>(of_between, gradient + b * S) / bags - mean[a] * mean[b];
                noise[at] = dot<S>(of_within, gradient + b * S) / (bags * (trees - 1.0)) / trees;
            }
        }
    }
};

// The variance of an estimate that varies so between bags, of which so much is noise.
inline double sampling_variance(double between, double noise, double bags, double trees) {
    if (std::isnan(between)) return between;
    between = std::fmax(between, 0.0);
    noise = std::fmax(noise, 0.0);
    // The variance of a variance of G normal numbers is 2/G times its square.
    const double error = std::sqrt(2.0 / bags * (between * between + noise * noise / (trees - 1.0)));
    return positive_part(between - noise, error);
}

}  // namespace butfor::forest
