// Rows seen in orthonormal directions: residuals of columns and leverages in one pass.
#pragma once

#include <cstddef>

namespace butfor {

// With z_i = root' (x_i - mean) (root is p x rank):
//   residual[i, k] = columns[i, k] - centre[k] - z_i' slopes[:, k]   (n x d; slopes is rank x d)
//   leverage[i]    = z_i' z_i
void project(const double* rows, std::size_t n, std::size_t p, const double* mean, const double* root, std::size_t rank,
             const double* columns, std::size_t d, const double* centre, const double* slopes, double* residual,
             double* leverage, int threads);

}  // namespace butfor
