#include "moments.hpp"

#include <algorithm>

#include "parallel.hpp"
#include "vectors.hpp"

namespace butfor {

namespace {

// Rows whose centred columns stay in the cache (not a power of two: columns would share cache sets); rows per chunk.
constexpr std::size_t kMostBlock = 248, kLeastBlock = 16, kTiles = 16 * kMostBlock;
constexpr std::size_t kChunk = 65536, kRowsPerGroup = 64;

// A few rows of one group, column by column.
struct Tile {
    std::size_t block, filled = 0;
    std::vector<double> columns, weighted, weights;
    Moments part;
    Tile(std::size_t p, std::size_t block) : block(block), columns(p * block), weighted(block), weights(block), part(p) {}

    // Moments of the rows collected so far, centred at their own mean; the tile is empty afterwards.
    const Moments& take(bool unit) {
        const std::size_t p = part.mean.size();
        const double* w = weights.data();
        part.count = static_cast<double>(filled);
        part.weight = unit ? part.count : sum(w, filled);
        part.weight_squared = unit ? part.count : dot(w, w, filled);
        std::fill(part.comoment.begin(), part.comoment.end(), 0.0);
        const auto average = [&](const double* column) {
            const double total = unit ? sum(column, filled) : dot(column, w, filled);
            return part.weight > 0 ? total / part.weight : 0.0;
        };
        for (std::size_t a = 0; a < p; ++a) {
            double* column = &columns[a * block];
            part.mean[a] = average(column);
            subtract(column, part.mean[a], filled);
            part.low[a] = average(column);
        }
        for (std::size_t a = 0; a < p; ++a) {
            const double* left = &columns[a * block];
            if (!unit) {
                multiply(weighted.data(), left, w, filled);
                left = weighted.data();
            }
            double* row = &part.comoment[a * p];
            add_dots(left, columns.data(), block, a + 1, filled, row);
            add_scaled(row, part.low.data(), -part.weight * part.low[a], a + 1);
        }
        filled = 0;
        return part;
    }
};

}  // namespace

void Moments::merge(const Moments& other) {
    if (weight == 0) {  // nothing to merge with, and 0 + mean would round `low` away
        const double before = count;
        *this = other;
        count += before;
        return;
    }
    const double total = weight + other.weight;
    const std::size_t p = mean.size();
    const double share = weight * other.weight / total;
    std::vector<double> gap(p);
    for (std::size_t a = 0; a < p; ++a) gap[a] = (other.mean[a] - mean[a]) + (other.low[a] - low[a]);
    for (std::size_t a = 0; a < p; ++a)
        for (std::size_t b = 0; b <= a; ++b)
            comoment[a * p + b] += other.comoment[a * p + b] + share * gap[a] * gap[b];
    for (std::size_t a = 0; a < p; ++a) {
        const double old = mean[a], step = gap[a] * (other.weight / total) + low[a];
        mean[a] = old + step;
        const double taken = mean[a] - old;
        low[a] = (old - (mean[a] - taken)) + (step - taken);  // what the addition rounded away (Knuth's two-sum)
    }
    count += other.count;
    weight = total;
    weight_squared += other.weight_squared;
}

std::vector<Moments> comoments(const double* rows, std::size_t n, std::size_t p, const double* weights,
                               const std::int32_t* groups, std::size_t group_count, int threads) {
    // Many groups get small tiles and large chunks, so that memory follows the result and not the rows.
    const std::size_t block = std::clamp(kTiles / std::max<std::size_t>(group_count, 1), kLeastBlock, kMostBlock);
    const std::size_t chunk = std::max(kChunk, kRowsPerGroup * group_count);
    const std::size_t chunks = (n + chunk - 1) / chunk;
    std::vector<std::vector<Moments>> parts(chunks);
    for_each_chunk(chunks, threads, [&](std::size_t c) {
        std::vector<Moments> mine(group_count, Moments(p));
        std::vector<Tile> tiles(group_count, Tile(p, block));
        const std::size_t stop = std::min(n, (c + 1) * chunk);
        for (std::size_t i = c * chunk; i < stop; ++i) {
            const std::size_t g = groups ? static_cast<std::size_t>(groups[i]) : 0;
            Tile& tile = tiles[g];
            for (std::size_t a = 0; a < p; ++a) tile.columns[a * block + tile.filled] = rows[i * p + a];
            if (weights) tile.weights[tile.filled] = weights[i];
            if (++tile.filled == block) mine[g].merge(tile.take(weights == nullptr));
        }
        for (std::size_t g = 0; g < group_count; ++g)
            if (tiles[g].filled > 0) mine[g].merge(tiles[g].take(weights == nullptr));
        parts[c] = std::move(mine);
    });
    std::vector<Moments> total(group_count, Moments(p));
    for (const auto& part : parts)
        for (std::size_t g = 0; g < group_count; ++g) total[g].merge(part[g]);
    for (auto& group : total)
        for (std::size_t a = 0; a < p; ++a) {
            group.mean[a] += group.low[a];
            for (std::size_t b = 0; b < a; ++b) group.comoment[b * p + a] = group.comoment[a * p + b];
        }
    return total;
}

}  // namespace butfor
