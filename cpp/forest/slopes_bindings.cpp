// Effects with slopes, from Python; the face in butfor.native.slopes has checked the arrays.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "slopes.hpp"

namespace nb = nanobind;
using namespace butfor::forest;

namespace {

template <typename T, int D>
using In = nb::ndarray<const T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;

nb::ndarray<nb::numpy, double> array(std::vector<double> values, std::initializer_list<std::size_t> shape) {
    auto* owned = new std::vector<double>(std::move(values));
    nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<double>*>(p); });
    return {owned->data(), shape.size(), shape.begin(), owner};
}

// Arrays as Python holds them; the structures of the kernel point into them.
struct SlopeTrees {
    In<std::uint64_t, 1> nodes;
    In<std::int64_t, 1> node_start, leaf_start;
    In<std::int32_t, 1> members;
    In<std::int64_t, 1> member_end;
    std::optional<In<double, 1>> weights;
    std::size_t bag_size;
};

struct SlopeColumns {
    In<double, 2> features;
    In<double, 1> outcome;
    In<double, 2> points, penalties;
};

struct SlopeBags {
    std::optional<In<std::uint32_t, 1>> unit_rows, unit_start;
    SampleSettings sample;
    std::uint64_t seed;
};

}  // namespace

void bind_slopes(nb::module_& m) {
    nb::class_<SlopeTrees>(m, "SlopeTrees")
        .def(nb::init<In<std::uint64_t, 1>, In<std::int64_t, 1>, In<std::int64_t, 1>, In<std::int32_t, 1>,
                      In<std::int64_t, 1>, std::optional<In<double, 1>>, std::size_t>(),
             nb::arg("nodes"), nb::arg("node_start"), nb::arg("leaf_start"), nb::arg("members"), nb::arg("member_end"),
             nb::arg("weights").none(), nb::arg("bag_size"));
    nb::class_<SlopeColumns>(m, "SlopeColumns")
        .def(nb::init<In<double, 2>, In<double, 1>, In<double, 2>, In<double, 2>>(), nb::arg("features"),
             nb::arg("outcome"), nb::arg("points"), nb::arg("penalties"));
    nb::class_<SlopeBags>(m, "SlopeBags")
        .def(nb::init<std::optional<In<std::uint32_t, 1>>, std::optional<In<std::uint32_t, 1>>, SampleSettings,
                      std::uint64_t>(),
             nb::arg("unit_rows").none(), nb::arg("unit_start").none(), nb::arg("sample"), nb::arg("seed"));

    m.def("forest_slopes", [](In<std::uint8_t, 2> codes, const SlopeTrees& trees, const SlopeColumns& columns,
                              const SlopeBags* bags, int threads) {
        const Bins bins{codes.data(), codes.shape(1), codes.shape(0)};
        const StoredTrees stored{reinterpret_cast<const Node*>(trees.nodes.data()), trees.node_start.data(), nullptr,
                                 trees.leaf_start.data(), trees.node_start.shape(0) - 1, trees.bag_size};
        const Members members{trees.members.data(), trees.member_end.data(),
                              trees.weights ? trees.weights->data() : nullptr};
        const SlopeData data{columns.features.data(), columns.outcome.data(),    columns.points.data(),
                             columns.penalties.data(), columns.features.shape(0), columns.features.shape(1),
                             columns.penalties.shape(0)};
        SlopeSolver::Own own{};
        if (bags != nullptr) {
            const auto* start = bags->unit_start ? bags->unit_start->data() : nullptr;
            const auto* rows = bags->unit_rows ? bags->unit_rows->data() : nullptr;
            own = {{start ? bags->unit_start->shape(0) - 1 : data.rows, rows, start}, bags->sample, bags->seed};
        }
        SlopeEstimates found;
        {
            nb::gil_scoped_release released;
            found = SlopeSolver(stored, members, bins, data, bags == nullptr ? nullptr : &own, threads).solve();
        }
        return nb::make_tuple(array(std::move(found.value), {bins.n, data.sets}),
                              array(std::move(found.variance), {bins.n}), array(std::move(found.monte_carlo), {bins.n}));
    }, nb::arg("codes"), nb::arg("trees"), nb::arg("columns"), nb::arg("bags").none(), nb::arg("threads"));
}
