// A tree as eight bytes per node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bins.hpp"

namespace butfor::forest {

// Which bins go left: bin − shift, as a byte, below `limit`. With shift 1 the missing bin 0 wraps around and goes right.
struct Split {
    std::uint16_t feature = 0;
    std::uint8_t limit = 0, shift = 0;

    static Split at(std::size_t feature, std::size_t cut, bool missing_left) {
        return {static_cast<std::uint16_t>(feature), static_cast<std::uint8_t>(missing_left ? cut + 1 : cut),
                static_cast<std::uint8_t>(missing_left ? 0 : 1)};
    }
    bool none() const { return limit == 0; }
    bool left(std::uint8_t bin) const { return static_cast<std::uint8_t>(bin - shift) < limit; }
};

struct Node {
    Split split;             // none: a leaf
    std::int32_t next = -1;  // left child (the right one follows), or the leaf's number
};
static_assert(sizeof(Node) == 8, "trees are stored and saved as eight bytes per node");

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
        const bool left = node->split.left(row[node->split.feature * stride]);
        node = nodes + node->next + (left ? 0 : 1);
    }
    return node->next;
}

}  // namespace butfor::forest
