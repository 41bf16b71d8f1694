// Gradient, Hessian and log-likelihood of several logistic models that share their rows, in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace butfor {

// Sums over the training rows of one model; q = p + 1 with the intercept first.
struct LogisticSums {
    std::vector<double> gradient, hessian;
    double log_likelihood = 0;
};

// Model k trains on the rows whose fold is not k (all rows when `folds` is null). `coefficients` is models x q.
std::vector<LogisticSums> logistic_pass(const double* rows, std::size_t n, std::size_t p, const double* outcome,
                                        const double* weights, const std::int32_t* folds, const double* coefficients,
                                        std::size_t models, bool with_hessian, int threads);

// out[i] = b_fold(i)' (1, x_i), through the logistic function when `probability`.
void fold_predict(const double* rows, std::size_t n, std::size_t p, const std::int32_t* folds,
                  const double* coefficients, bool probability, double* out, int threads);

}  // namespace butfor
