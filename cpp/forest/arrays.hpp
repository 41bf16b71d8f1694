// NumPy arrays on their way in and out.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

namespace butfor::forest {

template <typename T, int D>
using In = nanobind::ndarray<const T, nanobind::ndim<D>, nanobind::c_contig, nanobind::device::cpu>;
template <typename T>
using Out = nanobind::ndarray<nanobind::numpy, T>;

// Python owns the vector from here on.
template <typename T>
Out<T> array(std::vector<T> values, std::initializer_list<std::size_t> shape) {
    auto* owned = new std::vector<T>(std::move(values));
    nanobind::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return Out<T>(owned->data(), shape.size(), shape.begin(), owner);
}

// Null where there is none.
template <typename Array>
auto pointer(const std::optional<Array>& optional) -> decltype(optional->data()) {
    return optional ? optional->data() : nullptr;
}

}  // namespace butfor::forest
