#include "moments.hpp"

#include "parallel.hpp"

namespace butfor {

namespace {

constexpr std::size_t kBlock = 2048;    // rows whose centred columns stay in the cache
constexpr std::size_t kChunk = 65536;   // rows of one unit of parallel work

// Sum of a[i] * b[i] with eight partial sums, so that it vectorises without changing with the compiler's mood.
BUTFOR_CLONES double dot(const double* a, const double* b, std::size_t m) {
    double s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    std::size_t i = 0;
    for (; i + 8 <= m; i += 8)
        for (int l = 0; l < 8; ++l) s[l] += a[i + l] * b[i + l];
    for (; i < m; ++i) s[0] += a[i] * b[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

BUTFOR_CLONES double sum(const double* a, std::size_t m) {
    double s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    std::size_t i = 0;
    for (; i + 8 <= m; i += 8)
        for (int l = 0; l < 8; ++l) s[l] += a[i + l];
    for (; i < m; ++i) s[0] += a[i];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

struct Tile {
    std::vector<double> columns, weighted, weights;
    Moments part;
    explicit Tile(std::size_t p) : columns(p * kBlock), weighted(kBlock), weights(kBlock), part(p) {}
};

// Moments of the m rows in `tile.columns` (column-major), centred at their own mean.
void block_moments(Tile& tile, std::size_t m, std::size_t p, bool unit) {
    Moments& out = tile.part;
    out.count = static_cast<double>(m);
    const double* w = tile.weights.data();
    out.weight = unit ? out.count : sum(w, m);
    out.weight_squared = unit ? out.count : dot(w, w, m);
    for (std::size_t a = 0; a < p; ++a) {
        double* column = &tile.columns[a * kBlock];
        const double total = unit ? sum(column, m) : dot(column, w, m);
        const double mean = out.weight > 0 ? total / out.weight : 0.0;
        out.mean[a] = mean;
        for (std::size_t i = 0; i < m; ++i) column[i] -= mean;
    }
    for (std::size_t a = 0; a < p; ++a) {
        const double* left = &tile.columns[a * kBlock];
        if (!unit) {
            for (std::size_t i = 0; i < m; ++i) tile.weighted[i] = left[i] * w[i];
            left = tile.weighted.data();
        }
        for (std::size_t b = 0; b <= a; ++b)
            out.comoment[a * p + b] = out.comoment[b * p + a] = dot(left, &tile.columns[b * kBlock], m);
    }
}

}  // namespace

void Moments::merge(const Moments& other) {
    if (other.count == 0) return;
    const double total = weight + other.weight;
    const std::size_t p = mean.size();
    const double share = total > 0 ? weight * other.weight / total : 0.0;
    for (std::size_t a = 0; a < p; ++a) {
        const double gap_a = other.mean[a] - mean[a];
        for (std::size_t b = 0; b < p; ++b)
            comoment[a * p + b] += other.comoment[a * p + b] + share * gap_a * (other.mean[b] - mean[b]);
    }
    for (std::size_t a = 0; a < p && total > 0; ++a) mean[a] += (other.mean[a] - mean[a]) * (other.weight / total);
    count += other.count;
    weight = total;
    weight_squared += other.weight_squared;
}

std::vector<Moments> comoments(const double* rows, std::size_t n, std::size_t p, const double* weights,
                               const std::int32_t* groups, std::size_t group_count, int threads) {
    const std::size_t chunks = (n + kChunk - 1) / kChunk;
    std::vector<std::vector<Moments>> parts(chunks);
    for_each_chunk(chunks, threads, [&](std::size_t c) {
        std::vector<Moments> mine(group_count, Moments(p));
        std::vector<Tile> tiles;
        std::vector<std::size_t> filled(group_count, 0);
        for (std::size_t g = 0; g < group_count; ++g) tiles.emplace_back(p);
        auto flush = [&](std::size_t g) {
            if (filled[g] == 0) return;
            block_moments(tiles[g], filled[g], p, weights == nullptr);
            mine[g].merge(tiles[g].part);
            filled[g] = 0;
        };
        const std::size_t stop = std::min(n, (c + 1) * kChunk);
        for (std::size_t i = c * kChunk; i < stop; ++i) {
            const std::size_t g = groups ? static_cast<std::size_t>(groups[i]) : 0;
            Tile& tile = tiles[g];
            const std::size_t at = filled[g]++;
            for (std::size_t a = 0; a < p; ++a) tile.columns[a * kBlock + at] = rows[i * p + a];
            if (weights) tile.weights[at] = weights[i];
            if (filled[g] == kBlock) flush(g);
        }
        for (std::size_t g = 0; g < group_count; ++g) flush(g);
        parts[c] = std::move(mine);
    });
    std::vector<Moments> total(group_count, Moments(p));
    for (const auto& part : parts)
        for (std::size_t g = 0; g < group_count; ++g) total[g].merge(part[g]);
    return total;
}

}  // namespace butfor
