// Random numbers by counter: number k of stream s is a function of (seed, s, k), so no thread waits for another's state.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace butfor::forest {

class Random {
public:
    Random(std::uint64_t seed, std::uint64_t stream) : key_(mix(mix(seed) + stream)) {}

    // Uniform on [0, 1).
    double unit() { return static_cast<double>(mix(key_ + ++count_ * kStep) >> 11) * 0x1p-53; }

    // Knuth's product of uniforms, in pieces whose exponential does not vanish.
    std::size_t poisson(double mean) {
        std::size_t events = 0;
        for (; mean > 0.0; mean -= kPiece) {
            const double floor = std::exp(-std::fmin(mean, kPiece));
            for (double product = unit(); product > floor; product *= unit()) ++events;
        }
        return events;
    }

    // Calls keep(i) for `count` of 0 … n − 1 and leave(i) for the others, in ascending order; every choice is equally
    // likely (algorithm S of Knuth, The Art of Computer Programming, 3.4.2).
    template <typename Keep, typename Leave>
    void select(std::size_t n, std::size_t count, Keep keep, Leave leave) {
        for (std::size_t i = 0; i < n; ++i) {
            if (unit() * static_cast<double>(n - i) < static_cast<double>(count)) {
                keep(i);
                --count;
            } else {
                leave(i);
            }
        }
    }

private:
    static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15u;
    static constexpr double kPiece = 500.0;

    // The finaliser of splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195).
    static std::uint64_t mix(std::uint64_t z) {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

    std::uint64_t key_, count_ = 0;
};

}  // namespace butfor::forest
