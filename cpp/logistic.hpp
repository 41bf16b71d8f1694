// What Newton's method needs of logistic models that share their rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace butfor {

// Sums over the rows of one group; q = p + 1 with the intercept first.
struct LogisticSums {
    std::vector<double> gradient, hessian;
};

// Gradient and Hessian at one set of coefficients (q), summed by group (`groups` may be null: one group).
std::vector<LogisticSums> logistic_sums(const double* rows, std::size_t n, std::size_t p, const double* outcome,
                                        const double* weights, const std::int32_t* groups, std::size_t group_count,
                                        const double* coefficients, int threads);

// Gradients (models x q) of models that leave out the rows whose fold is their number.
std::vector<double> logistic_gradients(const double* rows, std::size_t n, std::size_t p, const double* outcome,
                                       const double* weights, const std::int32_t* folds, const double* coefficients,
                                       std::size_t models, int threads);

// out[i] = b_fold(i)' (1, x_i), through the logistic function when `probability`.
void fold_predict(const double* rows, std::size_t n, std::size_t p, const std::int32_t* folds,
                  const double* coefficients, bool probability, double* out, int threads);

}  // namespace butfor
