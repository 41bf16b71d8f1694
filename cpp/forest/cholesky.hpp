// Small symmetric matrices as packed lower triangles: row a starts at a (a + 1) / 2.
#pragma once

#include <cmath>

namespace butfor::forest {

constexpr int triangle(int n) { return n * (n + 1) / 2; }

// The root L of a matrix A = L L'.
template <int T>
struct Root {
    double packed[triangle(T)];

    // False where a pivot is below this share of the diagonal's scale: a column that hardly varies beside the others.
    bool factor(const double* matrix, const double* scale, double share) {
        for (int a = 0; a < T; ++a) {
            double* row = packed + triangle(a);
            for (int b = 0; b <= a; ++b) {
                const double* other = packed + triangle(b);
                double rest = matrix[triangle(a) + b];
                for (int c = 0; c < b; ++c) rest -= row[c] * other[c];
                if (b < a) {
                    row[b] = rest / other[b];
                } else if (rest > share * scale[a]) {
                    row[a] = std::sqrt(rest);
                } else {
                    return false;
                }
            }
        }
        return true;
    }

    // v becomes L⁻¹ v: in this metric every direction of A is as long as any other.
    void whiten(double* v) const {
        for (int a = 0; a < T; ++a) {
            const double* row = packed + triangle(a);
            for (int b = 0; b < a; ++b) v[a] -= row[b] * v[b];
            v[a] /= row[a];
        }
    }

    // v becomes A⁻¹ v.
    void solve(double* v) const {
        whiten(v);
        for (int a = T - 1; a >= 0; --a) {
            for (int b = a + 1; b < T; ++b) v[a] -= packed[triangle(b) + a] * v[b];
            v[a] /= packed[triangle(a) + a];
        }
    }
};

}  // namespace butfor::forest
