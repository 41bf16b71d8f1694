// Which rows a bag and its trees see. What is drawn are units: rows, or whole clusters of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "grow.hpp"
#include "random.hpp"

namespace butfor::forest {

// Rows of unit u: rows[start[u]] … rows[start[u + 1] − 1]. Without clusters (rows null) unit u is row u.
struct Units {
    std::size_t count;
    const std::uint32_t* rows = nullptr;
    const std::uint32_t* start = nullptr;

    template <typename Take>
    void each_row(std::size_t unit, Take take) const {
        if (rows == nullptr) {
            take(static_cast<std::uint32_t>(unit));
            return;
        }
        for (std::size_t i = start[unit]; i < start[unit + 1]; ++i) take(rows[i]);
    }
};

struct SampleSettings {
    std::size_t in_bag;   // units of a bag; half of all where variances are wanted
    std::size_t in_tree;  // of which units of a tree
    std::size_t to_split; // of which units that choose the splits; in_tree where the forest is not honest
};

// A bag: the units its trees draw from, and the rows that none of its trees may see.
struct BagRows {
    std::vector<std::uint32_t> units;
    RowList outside;
};

inline BagRows draw_bag(const Units& units, const SampleSettings& settings, Random random) {
    BagRows bag;
    bag.units.reserve(settings.in_bag);
    random.select(
        units.count, settings.in_bag, [&](std::size_t u) { bag.units.push_back(static_cast<std::uint32_t>(u)); },
        [&](std::size_t u) { units.each_row(u, [&](std::uint32_t row) { bag.outside.push_back(row); }); });
    return bag;
}

inline TreeRows draw_tree(const Units& units, const BagRows& bag, const SampleSettings& settings, Random& random) {
    std::vector<std::uint32_t> drawn;
    drawn.reserve(settings.in_tree);
    random.select(
        bag.units.size(), settings.in_tree, [&](std::size_t i) { drawn.push_back(bag.units[i]); },
        [](std::size_t) {});
    TreeRows tree;
    tree.outside = bag.outside;
    const auto take = [&](RowList& list) {
        return [&](std::size_t i) { units.each_row(drawn[i], [&](std::uint32_t row) { list.push_back(row); }); };
    };
    random.select(drawn.size(), settings.to_split, take(tree.split), take(tree.estimate));
    if (settings.to_split == settings.in_tree) tree.estimate = tree.split;
    return tree;
}

}  // namespace butfor::forest
