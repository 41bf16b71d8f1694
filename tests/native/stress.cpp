// Grows forests of every kind on awkward data with one and with four threads, for builds with sanitizers
// (`make sanitize`). Exits with 1 when the threads disagree in a bit.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "../../cpp/forest/models.hpp"
#include "../../cpp/forest/predict.hpp"
#include "../../cpp/forest/arms.hpp"
#include "../../cpp/forest/train.hpp"

using namespace butfor::forest;

namespace {

constexpr std::size_t kRows = 3000, kFeatures = 7, kTreatments = 3;

struct World {
    std::vector<double> rows, outcome, treatment, instrument, weights;
    std::vector<std::uint8_t> codes;
    std::vector<std::uint32_t> cluster_rows, cluster_start;

    explicit World(std::size_t outcomes)
        : rows(kRows * kFeatures), outcome(kRows * outcomes), treatment(kRows * kTreatments), instrument(kRows), weights(kRows) {
        Random random(1, outcomes);
        for (double& x : rows) x = random.unit() < 0.1 ? std::numeric_limits<double>::quiet_NaN() : random.unit();
        for (std::size_t i = 0; i < kRows; ++i) rows[i * kFeatures] = 1.0;                     // constant
        for (std::size_t i = 0; i < kRows; ++i) rows[i * kFeatures + 1] = i % 2 ? 1.0 : -1.0;  // two values
        for (double& y : outcome) y = random.unit() - 0.5;
        for (std::size_t i = 0; i < kRows; ++i) {
            instrument[i] = random.unit() - 0.5;
            weights[i] = 0.5 + random.unit();
            cluster_rows.push_back(static_cast<std::uint32_t>(i));
            if (i % 10 == 0) cluster_start.push_back(static_cast<std::uint32_t>(i));
        }
        for (std::size_t i = 0; i < treatment.size(); ++i) treatment[i] = instrument[i % kRows] + random.unit() - 0.5;
        cluster_start.push_back(kRows);
        codes.resize(kRows * kFeatures);
        for (std::size_t j = 0; j < kFeatures; ++j) {
            const std::vector<double> cuts = cut_points(&rows[j], kRows, kFeatures);
            encode(&rows[j], kRows, kFeatures, cuts.data(), cuts.size(), &codes[j * kRows]);
        }
    }
};

bool same(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

template <typename Model>
Estimates run(const World& world, const Columns& columns, const Units& units, std::size_t bag_size, int threads) {
    const Model model{columns};
    const Bins bins{world.codes.data(), kRows, kFeatures};
    const std::size_t half = units.count / 2;
    const TrainSettings settings{{{2.0, 0.01, 0.1}, 6, true}, {half, half, half / 2}, 20, bag_size, 7, threads, true};
    std::size_t reports = 0;
    const Forest forest = Trainer<Model>(model, bins, units, settings).train([&](std::size_t) { ++reports; });
    std::vector<Node> nodes;
    std::vector<double> leaves;
    std::vector<std::int64_t> node_start{0}, leaf_start{0};
    for (const Tree& tree : forest.trees) {
        nodes.insert(nodes.end(), tree.nodes.begin(), tree.nodes.end());
        leaves.insert(leaves.end(), tree.leaves.begin(), tree.leaves.end());
        node_start.push_back(static_cast<std::int64_t>(nodes.size()));
        leaf_start.push_back(static_cast<std::int64_t>(leaves.size() / Model::statistics));
    }
    const StoredTrees stored{nodes.data(),  node_start.data(),   leaves.data(), leaf_start.data(),
                             forest.trees.size(), bag_size};
    Estimates all = predict<Model>(stored, bins, threads);
    all.value.insert(all.value.end(), forest.outside.value.begin(), forest.outside.value.end());
    all.variance.insert(all.variance.end(), forest.outside.variance.begin(), forest.outside.variance.end());
    all.between.insert(all.between.end(), forest.outside.between.begin(), forest.outside.between.end());
    return all;
}

template <typename Model>
bool agrees(const char* name, std::size_t outcomes) {
    const World world(outcomes);
    const Columns columns{world.outcome.data(), world.treatment.data(), world.instrument.data(), world.weights.data()};
    const Units clusters{world.cluster_start.size() - 1, world.cluster_rows.data(), world.cluster_start.data()};
    bool fine = true;
    for (const Units& units : {Units{kRows}, clusters})
        for (const std::size_t bag_size : {1, 3}) {
            const Estimates one = run<Model>(world, columns, units, bag_size, 1);
            const Estimates four = run<Model>(world, columns, units, bag_size, 4);
            fine = fine && same(one.value, four.value) && same(one.variance, four.variance) && same(one.between, four.between);
        }
    std::printf("%s: %s\n", name, fine ? "same bits" : "DIFFERENT BITS");
    return fine;
}

}  // namespace

int main() {
    const bool fine = agrees<Causal>("causal", 1) & agrees<Instrumental>("instrumental", 1) &
                      agrees<Regression<1>>("regression", 1) & agrees<Regression<3>>("three outcomes", 3) &
                      agrees<Linear<3, Sides::arms>>("four arms", 1) & agrees<Linear<2, Sides::both>>("two amounts", 1);
    return fine ? 0 : 1;
}
