// The forest's door to Python: arrays in, arrays out; the face in butfor.native.forest has checked them.
#include "bindings.hpp"

#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "arms.hpp"
#include "arrays.hpp"
#include "models.hpp"
#include "ordered.hpp"
#include "predict.hpp"
#include "train.hpp"

namespace nb = nanobind;
using namespace butfor::forest;

namespace {

// The kinds of forest, in the order of butfor.native.forest.Kind.
enum class Kind { causal, instrumental, regression, linear, quantile, survival, probability };

template <Sides sides, typename Use>
auto with_linear(std::size_t treatments, const Columns& columns, Use use) {
    switch (treatments) {
        case 1: return use(Causal{columns});
        case 2: return use(Linear<2, sides>{columns});
        case 3: return use(Linear<3, sides>{columns});
        case 4: return use(Linear<4, sides>{columns});
        case 5: return use(Linear<5, sides>{columns});
        default: throw std::invalid_argument("a forest has one to five treatments");
    }
}

template <typename Use>
auto with_means(std::size_t outcomes, const Columns& columns, Use use) {
    switch (outcomes) {
        case 1: return use(Regression<1>{columns});
        case 2: return use(Regression<2>{columns});
        case 3: return use(Regression<3>{columns});
        case 4: return use(Regression<4>{columns});
        case 5: return use(Regression<5>{columns});
        case 6: return use(Regression<6>{columns});
        default: throw std::invalid_argument("a forest has one to six outcomes");
    }
}

// `width` is the number of estimates.
template <typename Use>
auto with_model(Kind kind, std::size_t width, const Columns& columns, Use use) {
    switch (kind) {
        case Kind::causal: return with_linear<Sides::arms>(width, columns, use);
        case Kind::linear: return with_linear<Sides::both>(width, columns, use);
        case Kind::instrumental: return use(Instrumental{columns});
        case Kind::quantile: return use(Quantile{columns});
        case Kind::survival: return use(Survival{columns});
        default: return with_means(width, columns, use);
    }
}

// Value, variance, Monte Carlo variance (n × k); between, noise (n × triangle) and bags, empty for one estimate.
nb::tuple estimates(Estimates found, std::size_t n) {
    const std::size_t k = n == 0 ? 1 : found.value.size() / n, joint = found.bags.size();
    const std::size_t pairs = joint == 0 ? 1 : found.between.size() / joint;
    return nb::make_tuple(array(std::move(found.value), {n, k}), array(std::move(found.variance), {n, k}),
                          array(std::move(found.monte_carlo), {n, k}), array(std::move(found.between), {joint, pairs}),
                          array(std::move(found.noise), {joint, pairs}), array(std::move(found.bags), {joint}));
}

// Trees as flat arrays: nodes (as 64-bit words), where each tree's nodes and leaves start, leaf statistics, members.
nb::tuple flatten(const std::vector<Tree>& trees, std::size_t statistics) {
    std::vector<std::uint64_t> nodes;
    std::vector<std::int64_t> node_start{0}, leaf_start{0}, member_end;
    std::vector<double> leaves;
    std::vector<std::int32_t> members;
    for (const Tree& tree : trees) {
        const auto* words = reinterpret_cast<const std::uint64_t*>(tree.nodes.data());
        nodes.insert(nodes.end(), words, words + tree.nodes.size());
        leaves.insert(leaves.end(), tree.leaves.begin(), tree.leaves.end());
        for (const std::int32_t end : tree.member_end)
            member_end.push_back(static_cast<std::int64_t>(members.size()) + end);
        members.insert(members.end(), tree.members.begin(), tree.members.end());
        node_start.push_back(static_cast<std::int64_t>(nodes.size()));
        leaf_start.push_back(static_cast<std::int64_t>(leaves.size() / statistics));
    }
    const std::size_t rows = leaves.size() / statistics, n = nodes.size(), ends = member_end.size(),
                      count = members.size(), starts = trees.size() + 1;
    return nb::make_tuple(array(std::move(nodes), {n}), array(std::move(node_start), {starts}),
                          array(std::move(leaves), {rows, statistics}), array(std::move(leaf_start), {starts}),
                          array(std::move(members), {count}), array(std::move(member_end), {ends}));
}

// Signals are Python's to handle (Ctrl-C), and so is the caller's own progress function; either may raise.
Progress report_to(const nb::object& progress) {
    return [&progress](std::size_t bags) {
        nb::gil_scoped_acquire locked;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        if (!progress.is_none()) progress(bags);
    };
}

}  // namespace

void bind_forest(nb::module_& m) {
    m.def("forest_cuts", [](In<double, 2> rows) {
        const std::size_t n = rows.shape(0), p = rows.shape(1);
        std::vector<double> cuts;
        std::vector<std::int64_t> start{0};
        {
            nb::gil_scoped_release released;
            for (std::size_t j = 0; j < p; ++j) {
                const std::vector<double> mine = cut_points(rows.data() + j, n, p);
                cuts.insert(cuts.end(), mine.begin(), mine.end());
                start.push_back(static_cast<std::int64_t>(cuts.size()));
            }
        }
        const std::size_t count = cuts.size();
        return nb::make_tuple(array(std::move(cuts), {count}), array(std::move(start), {p + 1}));
    }, nb::arg("rows"));

    m.def("forest_encode", [](In<double, 2> rows, In<double, 1> cuts, In<std::int64_t, 1> start) {
        const std::size_t n = rows.shape(0), p = rows.shape(1);
        std::vector<std::uint8_t> codes(n * p);
        {
            nb::gil_scoped_release released;
            for (std::size_t j = 0; j < p; ++j)
                encode(rows.data() + j, n, p, cuts.data() + start.data()[j],
                       static_cast<std::size_t>(start.data()[j + 1] - start.data()[j]), &codes[j * n]);
        }
        return array(std::move(codes), {p, n});
    }, nb::arg("rows"), nb::arg("cuts"), nb::arg("start"));

    nb::class_<Limits>(m, "ForestLimits").def(nb::init<double, double, double>());
    nb::class_<GrowSettings>(m, "ForestGrowth").def(nb::init<Limits, std::size_t, bool>());
    nb::class_<SampleSettings>(m, "ForestSampling").def(nb::init<std::size_t, std::size_t, std::size_t>());
    nb::class_<TrainSettings>(m, "ForestSettings")
        .def(nb::init<GrowSettings, SampleSettings, std::size_t, std::size_t, std::uint64_t, int, bool>());

    m.def("forest_train", [](int kind, In<std::uint8_t, 2> codes, In<std::uint8_t, 1> category, In<double, 2> outcome,
                             std::optional<In<double, 2>> treatment, std::optional<In<double, 1>> instrument,
                             std::optional<In<double, 1>> weights, std::optional<In<std::uint32_t, 1>> unit_rows,
                             std::optional<In<std::uint32_t, 1>> unit_start, const TrainSettings& settings,
                             nb::object progress) {
        const Bins bins{codes.data(), codes.shape(1), codes.shape(0), category.data()};
        const Columns columns{outcome.data(), pointer(treatment), pointer(instrument), pointer(weights)};
        const Units units{unit_start ? unit_start->shape(0) - 1 : bins.n, pointer(unit_rows), pointer(unit_start)};
        const std::size_t width = treatment ? treatment->shape(1) : outcome.shape(1);
        return with_model(static_cast<Kind>(kind), width, columns, [&](const auto& model) {
            using Model = std::decay_t<decltype(model)>;
            Forest forest;
            {
                nb::gil_scoped_release released;
                forest = Trainer<Model>(model, bins, units, settings).train(report_to(progress));
            }
            return nb::make_tuple(estimates(std::move(forest.outside), bins.n),
                                  array(std::move(forest.split_counts), {kCountedDepth, bins.p}),
                                  flatten(forest.trees, Model::statistics));
        });
    }, nb::arg("kind"), nb::arg("codes"), nb::arg("category"), nb::arg("outcome"), nb::arg("treatment").none(), nb::arg("instrument").none(),
       nb::arg("weights").none(), nb::arg("unit_rows").none(), nb::arg("unit_start").none(), nb::arg("settings"),
       nb::arg("progress").none());

    m.def("forest_predict", [](int kind, std::size_t width, In<std::uint8_t, 2> codes, In<std::uint64_t, 1> nodes,
                               In<std::int64_t, 1> node_start, In<double, 2> leaves, In<std::int64_t, 1> leaf_start,
                               std::size_t bag_size, int threads) {
        const Bins bins{codes.data(), codes.shape(1), codes.shape(0)};
        const StoredTrees trees{reinterpret_cast<const Node*>(nodes.data()), node_start.data(), leaves.data(),
                                leaf_start.data(), node_start.shape(0) - 1, bag_size};
        return with_model(static_cast<Kind>(kind), width, Columns{}, [&](const auto& model) {
            Estimates found;
            {
                nb::gil_scoped_release released;
                found = predict<std::decay_t<decltype(model)>>(trees, bins, threads);
            }
            return estimates(std::move(found), bins.n);
        });
    }, nb::arg("kind"), nb::arg("width"), nb::arg("codes"), nb::arg("nodes"), nb::arg("node_start"),
       nb::arg("leaves"), nb::arg("leaf_start"), nb::arg("bag_size"), nb::arg("threads"));

    m.def("forest_variance", [](In<double, 2> between, In<double, 2> noise, In<double, 1> bags, double bag_size) {
        const std::size_t n = between.shape(0), k = between.shape(1);
        std::vector<double> variance(n * k);
        for (std::size_t i = 0; i < n * k; ++i)
            variance[i] = sampling_variance(between.data()[i], noise.data()[i], bags.data()[i / k], bag_size);
        return array(std::move(variance), {n, k});
    }, nb::arg("between"), nb::arg("noise"), nb::arg("bags"), nb::arg("bag_size"));

    m.def("forest_weights", [](In<std::uint8_t, 2> codes, In<std::uint64_t, 1> nodes, In<std::int64_t, 1> node_start,
                               In<std::int64_t, 1> leaf_start, In<std::int32_t, 1> members,
                               In<std::int64_t, 1> member_end, std::optional<In<double, 1>> weights, std::size_t n,
                               int threads) {
        const Bins bins{codes.data(), codes.shape(1), codes.shape(0)};
        const StoredTrees trees{reinterpret_cast<const Node*>(nodes.data()), node_start.data(), nullptr,
                                leaf_start.data(), node_start.shape(0) - 1, 1};
        std::vector<double> alpha;
        {
            nb::gil_scoped_release released;
            alpha = kernel_weights(trees, {members.data(), member_end.data(), pointer(weights)}, bins, n, threads);
        }
        return array(std::move(alpha), {bins.n, n});
    }, nb::arg("codes"), nb::arg("nodes"), nb::arg("node_start"), nb::arg("leaf_start"), nb::arg("members"),
       nb::arg("member_end"), nb::arg("weights").none(), nb::arg("n"), nb::arg("threads"));
}
