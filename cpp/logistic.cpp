#include "logistic.hpp"

#include <cstring>

#include "parallel.hpp"
#include "vectors.hpp"

namespace butfor {

namespace {

constexpr std::size_t kBlock = 248;  // not a power of two: columns would share cache sets
constexpr std::size_t kChunk = 16384;

// exp(x) for |x| <= 700: x = n ln 2 + r, a Taylor polynomial of degree 13 in r (error below 1e-17 for |r| <= ln2 / 2).
inline double exponential(double x) {
    constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer in the low bits
    const double shifted = x * 1.4426950408889634 + magic;
    const double n = shifted - magic;
    const double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    double s = 1.0 / 6227020800.0;
    s = s * r + 1.0 / 479001600.0;
    s = s * r + 1.0 / 39916800.0;
    s = s * r + 1.0 / 3628800.0;
    s = s * r + 1.0 / 362880.0;
    s = s * r + 1.0 / 40320.0;
    s = s * r + 1.0 / 5040.0;
    s = s * r + 1.0 / 720.0;
    s = s * r + 1.0 / 120.0;
    s = s * r + 1.0 / 24.0;
    s = s * r + 1.0 / 6.0;
    s = s * r + 0.5;
    s = s * r + 1.0;
    s = s * r + 1.0;
    std::uint64_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    const std::uint64_t exponent = (bits + 1023) << 52;
    double scale;
    std::memcpy(&scale, &exponent, sizeof scale);
    return s * scale;
}

BUTFOR_CLONES void sigmoids(const double* index, double* out, std::size_t m) {
    for (std::size_t i = 0; i < m; ++i) {
        double x = -index[i];
        x = x > 700.0 ? 700.0 : x;
        x = x < -700.0 ? -700.0 : x;
        out[i] = 1.0 / (1.0 + exponential(x));
    }
}

// A few rows, column by column, with the intercept as first column.
struct Tile {
    std::size_t q, filled = 0;
    std::vector<double> columns, outcome, weight, index, mean, slope, weighted;
    explicit Tile(std::size_t q)
        : q(q), columns(q * kBlock), outcome(kBlock), weight(kBlock), index(kBlock), mean(kBlock), slope(kBlock),
          weighted(kBlock) {
        std::fill(columns.begin(), columns.begin() + kBlock, 1.0);
    }

    void add(const double* row, double y, double w) {
        for (std::size_t j = 1; j < q; ++j) columns[j * kBlock + filled] = row[j - 1];
        outcome[filled] = y;
        weight[filled] = w;
        ++filled;
    }

    // mean = sigmoid(b' x), slope = y - mean.
    void evaluate(const double* beta) {
        std::fill(index.begin(), index.begin() + filled, beta[0]);
        for (std::size_t j = 1; j < q; ++j) add_scaled(index.data(), &columns[j * kBlock], beta[j], filled);
        sigmoids(index.data(), mean.data(), filled);
        for (std::size_t i = 0; i < filled; ++i) slope[i] = outcome[i] - mean[i];
    }

    void add_gradient(const double* w, double* gradient) {
        multiply(weighted.data(), slope.data(), w, filled);
        add_dots(weighted.data(), columns.data(), kBlock, q, filled, gradient);
    }

    void add_hessian(double* hessian) {
        for (std::size_t i = 0; i < filled; ++i) slope[i] = weight[i] * mean[i] * (1.0 - mean[i]);
        for (std::size_t a = 0; a < q; ++a) {
            multiply(weighted.data(), slope.data(), &columns[a * kBlock], filled);
            add_dots(weighted.data(), columns.data(), kBlock, a + 1, filled, hessian + a * q);
        }
    }
};

}  // namespace

std::vector<LogisticSums> logistic_sums(const double* rows, std::size_t n, std::size_t p, const double* outcome,
                                        const double* weights, const std::int32_t* groups, std::size_t group_count,
                                        const double* coefficients, int threads) {
    const std::size_t q = p + 1, chunks = (n + kChunk - 1) / kChunk;
    const LogisticSums empty{std::vector<double>(q), std::vector<double>(q * q)};
    std::vector<std::vector<LogisticSums>> parts(chunks);
    for_each_chunk(chunks, threads, [&](std::size_t c) {
        std::vector<LogisticSums> mine(group_count, empty);
        std::vector<Tile> tiles(group_count, Tile(q));
        auto flush = [&](std::size_t g) {
            tiles[g].evaluate(coefficients);
            tiles[g].add_gradient(tiles[g].weight.data(), mine[g].gradient.data());
            tiles[g].add_hessian(mine[g].hessian.data());
            tiles[g].filled = 0;
        };
        const std::size_t stop = std::min(n, (c + 1) * kChunk);
        for (std::size_t i = c * kChunk; i < stop; ++i) {
            const std::size_t g = groups ? static_cast<std::size_t>(groups[i]) : 0;
            tiles[g].add(rows + i * p, outcome[i], weights ? weights[i] : 1.0);
            if (tiles[g].filled == kBlock) flush(g);
        }
        for (std::size_t g = 0; g < group_count; ++g) flush(g);
        parts[c] = std::move(mine);
    });
    std::vector<LogisticSums> total(group_count, empty);
    for (const auto& part : parts)
        for (std::size_t g = 0; g < group_count; ++g) {
            for (std::size_t j = 0; j < q; ++j) total[g].gradient[j] += part[g].gradient[j];
            for (std::size_t j = 0; j < q * q; ++j) total[g].hessian[j] += part[g].hessian[j];
        }
    for (auto& sums : total)
        for (std::size_t a = 0; a < q; ++a)
            for (std::size_t b = 0; b < a; ++b) sums.hessian[b * q + a] = sums.hessian[a * q + b];
    return total;
}

std::vector<double> logistic_gradients(const double* rows, std::size_t n, std::size_t p, const double* outcome,
                                       const double* weights, const std::int32_t* folds, const double* coefficients,
                                       std::size_t models, int threads) {
    const std::size_t q = p + 1, chunks = (n + kChunk - 1) / kChunk;
    std::vector<std::vector<double>> parts(chunks);
    for_each_chunk(chunks, threads, [&](std::size_t c) {
        std::vector<double> mine(models * q);
        Tile tile(q);
        std::vector<double> kept(kBlock);
        const std::size_t stop = std::min(n, (c + 1) * kChunk);
        for (std::size_t start = c * kChunk; start < stop; start += kBlock) {
            const std::size_t m = std::min(kBlock, stop - start);
            tile.filled = 0;
            for (std::size_t i = start; i < start + m; ++i)
                tile.add(rows + i * p, outcome[i], weights ? weights[i] : 1.0);
            for (std::size_t k = 0; k < models; ++k) {
                for (std::size_t i = 0; i < m; ++i)
                    kept[i] = folds[start + i] == static_cast<std::int32_t>(k) ? 0.0 : tile.weight[i];
                tile.evaluate(coefficients + k * q);
                tile.add_gradient(kept.data(), &mine[k * q]);
            }
        }
        parts[c] = std::move(mine);
    });
    std::vector<double> total(models * q);
    for (const auto& part : parts)
        for (std::size_t j = 0; j < total.size(); ++j) total[j] += part[j];
    return total;
}

void fold_predict(const double* rows, std::size_t n, std::size_t p, const std::int32_t* folds,
                  const double* coefficients, bool probability, double* out, int threads) {
    const std::size_t q = p + 1, chunks = (n + kChunk - 1) / kChunk;
    for_each_chunk(chunks, threads, [&](std::size_t c) {
        const std::size_t start = c * kChunk, stop = std::min(n, start + kChunk);
        for (std::size_t i = start; i < stop; ++i) {
            const double* beta = coefficients + (folds ? static_cast<std::size_t>(folds[i]) * q : 0);
            const double* row = rows + i * p;
            double index = beta[0];
            for (std::size_t j = 0; j < p; ++j) index += beta[j + 1] * row[j];
            out[i] = index;
        }
        if (probability) sigmoids(out + start, out + start, stop - start);
    });
}

}  // namespace butfor
