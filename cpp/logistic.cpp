#include "logistic.hpp"

#include <cmath>
#include <cstring>

#include "parallel.hpp"

namespace butfor {

namespace {

constexpr std::size_t kBlock = 256;
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
    std::int64_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    const std::int64_t exponent = (bits + 1023) << 52;
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

BUTFOR_CLONES void add_scaled(double* out, const double* column, double factor, std::size_t m) {
    for (std::size_t i = 0; i < m; ++i) out[i] += factor * column[i];
}

BUTFOR_CLONES void multiply(double* out, const double* a, const double* b, std::size_t m) {
    for (std::size_t i = 0; i < m; ++i) out[i] = a[i] * b[i];
}

BUTFOR_CLONES double dot(const double* a, const double* b, std::size_t m) {
    double s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    std::size_t i = 0;
    for (; i + 8 <= m; i += 8)
        for (int l = 0; l < 8; ++l) s[l] += a[i + l] * b[i + l];
    for (; i < m; ++i) s[0] += a[i] * b[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

// Sum of w (y eta - log(1 + exp(eta))); products of up to 32 terms in [1, 2] share one logarithm when w is 0 or 1.
double log_likelihood(const double* index, const double* outcome, const double* w, std::size_t m, bool unit) {
    double total = 0, product = 1;
    int pending = 0;
    for (std::size_t i = 0; i < m; ++i) {
        if (w[i] == 0) continue;
        const double eta = index[i];
        const double tail = 1.0 + exponential(eta > 0 ? (eta > 700 ? -700 : -eta) : (eta < -700 ? -700 : eta));
        const double linear = outcome[i] * eta - (eta > 0 ? eta : 0);
        if (!unit) {
            total += w[i] * (linear - std::log(tail));
            continue;
        }
        total += linear;
        product *= tail;
        if (++pending == 32) {
            total -= std::log(product);
            product = 1;
            pending = 0;
        }
    }
    return total - std::log(product);
}

struct Buffers {
    std::vector<double> columns, outcome, index, probability, weight, slope, weighted;
    explicit Buffers(std::size_t q)
        : columns(q * kBlock), outcome(kBlock), index(kBlock), probability(kBlock), weight(kBlock), slope(kBlock),
          weighted(kBlock) {}
};

void add_block(Buffers& buffer, std::size_t m, std::size_t q, const double* beta, bool with_hessian, bool unit,
               LogisticSums& sums) {
    double* index = buffer.index.data();
    std::fill(index, index + m, beta[0]);
    for (std::size_t j = 1; j < q; ++j) add_scaled(index, &buffer.columns[j * kBlock], beta[j], m);
    sigmoids(index, buffer.probability.data(), m);
    const double* w = buffer.weight.data();
    for (std::size_t i = 0; i < m; ++i) {
        const double mu = buffer.probability[i];
        buffer.slope[i] = w[i] * (buffer.outcome[i] - mu);
        buffer.probability[i] = w[i] * mu * (1.0 - mu);
    }
    for (std::size_t j = 0; j < q; ++j) sums.gradient[j] += dot(buffer.slope.data(), &buffer.columns[j * kBlock], m);
    sums.log_likelihood += log_likelihood(index, buffer.outcome.data(), w, m, unit);
    for (std::size_t a = 0; with_hessian && a < q; ++a) {
        multiply(buffer.weighted.data(), buffer.probability.data(), &buffer.columns[a * kBlock], m);
        for (std::size_t b = 0; b <= a; ++b)
            sums.hessian[a * q + b] += dot(buffer.weighted.data(), &buffer.columns[b * kBlock], m);
    }
}

}  // namespace

std::vector<LogisticSums> logistic_pass(const double* rows, std::size_t n, std::size_t p, const double* outcome,
                                        const double* weights, const std::int32_t* folds, const double* coefficients,
                                        std::size_t models, bool with_hessian, int threads) {
    const std::size_t q = p + 1, chunks = (n + kChunk - 1) / kChunk;
    const LogisticSums empty{std::vector<double>(q), std::vector<double>(with_hessian ? q * q : 0), 0.0};
    std::vector<std::vector<LogisticSums>> parts(chunks);
    for_each_chunk(chunks, threads, [&](std::size_t c) {
        std::vector<LogisticSums> mine(models, empty);
        Buffers buffer(q);
        std::fill(buffer.columns.begin(), buffer.columns.begin() + kBlock, 1.0);
        const std::size_t stop = std::min(n, (c + 1) * kChunk);
        for (std::size_t start = c * kChunk; start < stop; start += kBlock) {
            const std::size_t m = std::min(kBlock, stop - start);
            for (std::size_t i = 0; i < m; ++i) {
                const double* row = rows + (start + i) * p;
                for (std::size_t j = 0; j < p; ++j) buffer.columns[(j + 1) * kBlock + i] = row[j];
                buffer.outcome[i] = outcome[start + i];
            }
            for (std::size_t k = 0; k < models; ++k) {
                for (std::size_t i = 0; i < m; ++i) {
                    const bool held_out = folds && folds[start + i] == static_cast<std::int32_t>(k);
                    buffer.weight[i] = held_out ? 0.0 : (weights ? weights[start + i] : 1.0);
                }
                add_block(buffer, m, q, coefficients + k * q, with_hessian, weights == nullptr, mine[k]);
            }
        }
        parts[c] = std::move(mine);
    });
    std::vector<LogisticSums> total(models, empty);
    for (const auto& part : parts)
        for (std::size_t k = 0; k < models; ++k) {
            for (std::size_t j = 0; j < q; ++j) total[k].gradient[j] += part[k].gradient[j];
            for (std::size_t j = 0; j < total[k].hessian.size(); ++j) total[k].hessian[j] += part[k].hessian[j];
            total[k].log_likelihood += part[k].log_likelihood;
        }
    for (auto& sums : total)
        for (std::size_t a = 0; a < q && with_hessian; ++a)
            for (std::size_t b = 0; b < a; ++b) sums.hessian[b * q + a] = sums.hessian[a * q + b];
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
