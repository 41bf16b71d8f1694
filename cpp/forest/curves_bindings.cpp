// Distributions near points, from Python; the face in butfor.native.forest_curves has checked the arrays.
#include <optional>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "curves.hpp"

namespace nb = nanobind;
using namespace butfor::forest;

namespace {

// Trees with members as Python holds them.
struct CurveTrees {
    In<std::uint64_t, 1> nodes;
    In<std::int64_t, 1> node_start, leaf_start;
    In<std::int32_t, 1> members;
    In<std::int64_t, 1> member_end;
    std::optional<In<double, 1>> weights;
    std::size_t bag_size;
};

// How the bags were drawn, for points that are rows of the forest.
struct CurveBags {
    std::optional<In<std::uint32_t, 1>> unit_rows, unit_start;
    SampleSettings sample;
    std::uint64_t seed;
};

struct CurveRows {
    In<std::int32_t, 1> rank;     // of each row's outcome
    In<double, 1> outcome;        // by rank
    std::optional<In<double, 1>> event;  // by rank
};

// Makes what `read` needs, and lets other threads of Python run meanwhile.
template <typename Read>
Out<double> read_with(In<std::uint8_t, 2> codes, const CurveTrees& trees, const CurveRows& rows,
                                         const CurveBags* bags, std::size_t count, Read read) {
    const Bins bins{codes.data(), codes.shape(1), codes.shape(0)};
    const std::size_t n = rows.rank.shape(0), tree_count = trees.node_start.shape(0) - 1;
    std::vector<double> found;
    {
        nb::gil_scoped_release released;
        std::optional<Outside> outside;
        if (bags != nullptr) {
            const Units units{bags->unit_start ? bags->unit_start->shape(0) - 1 : n, pointer(bags->unit_rows),
                              pointer(bags->unit_start)};
            outside.emplace(units, bags->sample, bags->seed, tree_count / trees.bag_size, trees.bag_size, n);
        }
        const Near near{{reinterpret_cast<const Node*>(trees.nodes.data()), trees.node_start.data(), nullptr,
                         trees.leaf_start.data(), tree_count, trees.bag_size},
                        {trees.members.data(), trees.member_end.data(), pointer(trees.weights)},
                        outside ? &*outside : nullptr, rows.rank.data(), n};
        found = read(near, bins);
    }
    return array(std::move(found), {bins.n, count});
}

}  // namespace

void bind_curves(nb::module_& m) {
    nb::class_<CurveTrees>(m, "CurveTrees")
        .def(nb::init<In<std::uint64_t, 1>, In<std::int64_t, 1>, In<std::int64_t, 1>, In<std::int32_t, 1>,
                      In<std::int64_t, 1>, std::optional<In<double, 1>>, std::size_t>(),
             nb::arg("nodes"), nb::arg("node_start"), nb::arg("leaf_start"), nb::arg("members"), nb::arg("member_end"),
             nb::arg("weights").none(), nb::arg("bag_size"));
    nb::class_<CurveBags>(m, "CurveBags")
        .def(nb::init<std::optional<In<std::uint32_t, 1>>, std::optional<In<std::uint32_t, 1>>, SampleSettings,
                      std::uint64_t>(),
             nb::arg("unit_rows").none(), nb::arg("unit_start").none(), nb::arg("sample"), nb::arg("seed"));
    nb::class_<CurveRows>(m, "CurveRows")
        .def(nb::init<In<std::int32_t, 1>, In<double, 1>, std::optional<In<double, 1>>>(), nb::arg("rank"),
             nb::arg("outcome"), nb::arg("event").none());

    m.def("forest_quantiles", [](In<std::uint8_t, 2> codes, const CurveTrees& trees, const CurveRows& rows,
                                 const CurveBags* bags, In<double, 1> levels, int threads) {
        return read_with(codes, trees, rows, bags, levels.shape(0), [&](const Near& near, const Bins& bins) {
            return read_quantiles(near, bins, rows.outcome.data(), levels.data(), levels.shape(0), threads);
        });
    }, nb::arg("codes"), nb::arg("trees"), nb::arg("rows"), nb::arg("bags").none(), nb::arg("levels"),
       nb::arg("threads"));

    m.def("forest_survival", [](In<std::uint8_t, 2> codes, const CurveTrees& trees, const CurveRows& rows,
                                const CurveBags* bags, In<double, 1> times, bool kaplan_meier, int threads) {
        return read_with(codes, trees, rows, bags, times.shape(0), [&](const Near& near, const Bins& bins) {
            return read_survival(near, bins, rows.outcome.data(), rows.event->data(), times.data(), times.shape(0),
                                 kaplan_meier, threads);
        });
    }, nb::arg("codes"), nb::arg("trees"), nb::arg("rows"), nb::arg("bags").none(), nb::arg("times"),
       nb::arg("kaplan_meier"), nb::arg("threads"));
}
