// The Python module: arrays in, arrays out; the lock is released while a kernel runs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <initializer_list>
#include <optional>
#include <vector>

#include "forest/bindings.hpp"
#include "logistic.hpp"
#include "moments.hpp"
#include "projection.hpp"

namespace nb = nanobind;

using Matrix = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Codes = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Result = nb::ndarray<nb::numpy, double>;

namespace {

Result array(std::vector<double> values, std::initializer_list<std::size_t> shape) {
    auto* owned = new std::vector<double>(std::move(values));
    nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<double>*>(p); });
    return Result(owned->data(), shape.size(), shape.begin(), owner);
}

template <typename Array>
auto pointer(const std::optional<Array>& optional) -> decltype(optional->data()) {
    return optional ? optional->data() : nullptr;
}

void append(std::vector<double>& to, const std::vector<double>& from) { to.insert(to.end(), from.begin(), from.end()); }

}  // namespace

NB_MODULE(_kernels, m) {
    m.doc() = "Compiled kernels; see butfor.native for their Python face.";

    bind_forest(m);
    bind_slopes(m);
    bind_curves(m);

    m.def("comoments", [](Matrix rows, std::optional<Vector> weights, std::optional<Codes> groups,
                          std::size_t group_count, int threads) {
        const std::size_t n = rows.shape(0), p = rows.shape(1);
        std::vector<butfor::Moments> found;
        {
            nb::gil_scoped_release released;
            found = butfor::comoments(rows.data(), n, p, pointer(weights), pointer(groups), group_count, threads);
        }
        std::vector<double> totals, means, comoments;
        for (const auto& group : found) {
            append(totals, {group.count, group.weight, group.weight_squared});
            append(means, group.mean);
            append(comoments, group.comoment);
        }
        return nb::make_tuple(array(totals, {group_count, 3}), array(means, {group_count, p}),
                              array(comoments, {group_count, p, p}));
    }, nb::arg("rows"), nb::arg("weights").none(), nb::arg("groups").none(), nb::arg("group_count"), nb::arg("threads"));

    m.def("logistic_sums", [](Matrix rows, Vector outcome, std::optional<Vector> weights, std::optional<Codes> groups,
                              std::size_t group_count, Vector coefficients, int threads) {
        const std::size_t n = rows.shape(0), p = rows.shape(1), q = p + 1;
        std::vector<butfor::LogisticSums> found;
        {
            nb::gil_scoped_release released;
            found = butfor::logistic_sums(rows.data(), n, p, outcome.data(), pointer(weights), pointer(groups),
                                          group_count, coefficients.data(), threads);
        }
        std::vector<double> gradients, hessians;
        for (const auto& group : found) {
            append(gradients, group.gradient);
            append(hessians, group.hessian);
        }
        return nb::make_tuple(array(gradients, {group_count, q}), array(hessians, {group_count, q, q}));
    }, nb::arg("rows"), nb::arg("outcome"), nb::arg("weights").none(), nb::arg("groups").none(),
       nb::arg("group_count"), nb::arg("coefficients"), nb::arg("threads"));

    m.def("logistic_gradients", [](Matrix rows, Vector outcome, std::optional<Vector> weights, Codes folds,
                                   Matrix coefficients, int threads) {
        const std::size_t n = rows.shape(0), p = rows.shape(1), models = coefficients.shape(0);
        std::vector<double> found;
        {
            nb::gil_scoped_release released;
            found = butfor::logistic_gradients(rows.data(), n, p, outcome.data(), pointer(weights), folds.data(),
                                               coefficients.data(), models, threads);
        }
        return array(std::move(found), {models, p + 1});
    }, nb::arg("rows"), nb::arg("outcome"), nb::arg("weights").none(), nb::arg("folds"), nb::arg("coefficients"),
       nb::arg("threads"));

    m.def("fold_predict", [](Matrix rows, Matrix coefficients, std::optional<Codes> folds, bool probability,
                             int threads) {
        const std::size_t n = rows.shape(0), p = rows.shape(1);
        std::vector<double> out(n);
        {
            nb::gil_scoped_release released;
            butfor::fold_predict(rows.data(), n, p, pointer(folds), coefficients.data(), probability, out.data(),
                                 threads);
        }
        return array(std::move(out), {n});
    }, nb::arg("rows"), nb::arg("coefficients"), nb::arg("folds").none(), nb::arg("probability"), nb::arg("threads"));

    m.def("project", [](Matrix rows, Vector mean, Matrix root, Matrix columns, Vector centre, Matrix slopes, int threads) {
        const std::size_t n = rows.shape(0), p = rows.shape(1), d = columns.shape(1);
        std::vector<double> residual(n * d), leverage(n);
        {
            nb::gil_scoped_release released;
            butfor::project(rows.data(), n, p, mean.data(), root.data(), root.shape(1), columns.data(), d,
                            centre.data(), slopes.data(), residual.data(), leverage.data(), threads);
        }
        return nb::make_tuple(array(std::move(residual), {n, d}), array(std::move(leverage), {n}));
    }, nb::arg("rows"), nb::arg("mean"), nb::arg("root"), nb::arg("columns"), nb::arg("centre"), nb::arg("slopes"),
       nb::arg("threads"));
}
