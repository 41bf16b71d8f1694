// A tree as eight bytes per node.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bins.hpp"

namespace butfor::forest {

// Any of the bins: a bit each.
using BinSet = std::array<std::uint64_t, kBins / 64>;

// Which bins go left: bin − shift, as a byte, below `limit`. With shift 1 the missing bin 0 wraps around and goes right.
// With shift `kSet` a set of bins goes left, which stands behind the children.
struct Split {
    std::uint16_t feature = 0;
    std::uint8_t limit = 0, shift = 0;
    static constexpr std::uint8_t kSet = 2;

    static Split at(std::size_t feature, std::size_t cut, bool missing_left) {
        return {static_cast<std::uint16_t>(feature), static_cast<std::uint8_t>(missing_left ? cut + 1 : cut),
                static_cast<std::uint8_t>(missing_left ? 0 : 1)};
    }
    static Split of_set(std::size_t feature) { return {static_cast<std::uint16_t>(feature), 1, kSet}; }
    bool none() const { return limit == 0; }
    bool is_set() const { return shift == kSet; }
    bool left(std::uint8_t bin) const { return static_cast<std::uint8_t>(bin - shift) < limit; }
};

struct Node {
    Split split;             // none: a leaf
    std::int32_t next = -1;  // left child (the right one follows, then the set), or the leaf's number
};
static_assert(sizeof(Node) == 8, "trees are stored and saved as eight bytes per node");
constexpr std::size_t kSetNodes = sizeof(BinSet) / sizeof(Node);

inline bool holds(const BinSet& set, std::uint8_t bin) { return (set[bin / 64] >> (bin % 64)) & 1; }

// The same for a set in the place of nodes.
inline bool holds(const Node* set, std::uint8_t bin) {
    std::uint64_t word;
    std::memcpy(&word, set + bin / 64, sizeof word);
    return (word >> (bin % 64)) & 1;
}

struct Tree {
    std::vector<Node> nodes;
    std::vector<double> leaves;            // leaf × statistics: weighted means of the leaf's honest rows
    std::vector<std::int32_t> member_end;  // where the members of each leaf end, when they are kept
    std::vector<std::int32_t> members;     // the honest rows, leaf by leaf
};

// The leaf of a row whose bins start at `row`, `stride` apart.
inline std::int32_t find_leaf(const Node* nodes, const std::uint8_t* row, std::size_t stride) {
    const Node* node = nodes;
    while (!node->split.none()) {
        const std::uint8_t bin = row[node->split.feature * stride];
        const bool left = node->split.is_set() ? holds(nodes + node->next + 2, bin) : node->split.left(bin);
        node = nodes + node->next + (left ? 0 : 1);
    }
    return node->next;
}

}  // namespace butfor::forest
