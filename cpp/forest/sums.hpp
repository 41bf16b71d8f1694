// What the search for a split adds up: pseudo-outcomes and how much the rows can tell.
#pragma once

#include <cstddef>

namespace butfor::forest {

// Counts two things in one double: rows in the whole part, rows of the upper side in units of 2^-26. Sums are exact
// for fewer than 2^26 rows, and one addition does for both.
constexpr double kUpperUnit = 0x1p-26;
constexpr std::size_t kMostSplitRows = (1u << 26) - 1;

inline double tally_of(bool upper) { return 1.0 + (upper ? kUpperUnit : 0.0); }

// Sums over rows. K pseudo-outcomes; A treatments whose two sides are counted.
template <int K, int A>
struct Sums {
    static constexpr int scores = K;
    double tally[A];  // see tally_of
    double weight;
    double size;    // information about the effect, such as Σ w (T − mean)²
    double rho[K];  // Σ w ρ, where ρ is what each row pulls at the node's estimate

    void operator+=(const Sums& other) {
        for (int a = 0; a < A; ++a) tally[a] += other.tally[a];
        weight += other.weight;
        size += other.size;
        for (int k = 0; k < K; ++k) rho[k] += other.rho[k];
    }
    Sums operator-(const Sums& other) const {
        Sums rest;
        for (int a = 0; a < A; ++a) rest.tally[a] = tally[a] - other.tally[a];
        rest.weight = weight - other.weight;
        rest.size = size - other.size;
        for (int k = 0; k < K; ++k) rest.rho[k] = rho[k] - other.rho[k];
        return rest;
    }

    double count(int a = 0) const { return static_cast<double>(static_cast<long>(tally[a])); }
    double upper(int a) const { return (tally[a] - count(a)) / kUpperUnit; }

    // |Σ w ρ|² / Σ w: what an own estimate for these rows would gain (Athey, Tibshirani and Wager 2019, eq. 9).
    double gain() const {
        double square = 0;
        for (int k = 0; k < K; ++k) square += rho[k] * rho[k];
        return square / weight;
    }
};

}  // namespace butfor::forest
