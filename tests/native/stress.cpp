// Grows forests of every kind on awkward data with one and with four threads, for builds with sanitizers
// (`make sanitize`). Exits with 1 when the threads disagree in a bit.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "../../cpp/forest/curves.hpp"
#include "../../cpp/forest/models.hpp"
#include "../../cpp/forest/ordered.hpp"
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

// The survival of every row, by the bags without it.
void add_curves(const Forest& forest, const StoredTrees& stored, const Bins& bins, const Units& units,
                const TrainSettings& settings, int threads, std::vector<double>& found) {
    std::vector<std::int32_t> members, rank(kRows);
    std::vector<std::int64_t> ends;
    for (const Tree& tree : forest.trees) {
        for (const std::int32_t end : tree.member_end) ends.push_back(static_cast<std::int64_t>(members.size()) + end);
        members.insert(members.end(), tree.members.begin(), tree.members.end());
    }
    std::vector<double> time(kRows), event(kRows);
    for (std::size_t i = 0; i < kRows; ++i) {
        rank[i] = static_cast<std::int32_t>((i * 7) % kRows);  // a permutation: 7 does not divide the rows
        time[i] = static_cast<double>(i / 3);
        event[i] = i % 4 ? 1.0 : 0.0;
    }
    const Outside outside(units, settings.sample, settings.seed, settings.bags, settings.bag_size, kRows);
    const Near near{stored, {members.data(), ends.data(), nullptr}, &outside, rank.data(), kRows};
    const double times[] = {-1.0, 10.0, 500.0, 1e9}, levels[] = {0.1, 0.9};
    for (const std::vector<double>& part :
         {read_survival(near, bins, time.data(), event.data(), times, 4, true, threads),
          read_quantiles(near, bins, time.data(), levels, 2, threads)})
        found.insert(found.end(), part.begin(), part.end());
}

template <typename Model>
Estimates run(const World& world, const Columns& columns, const Units& units, std::size_t bag_size, int threads) {
    const Model model{columns};
    const std::uint8_t category[kFeatures] = {0, 0, 1, 0, 0, 0, 0};
    const Bins bins{world.codes.data(), kRows, kFeatures, category};
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
    add_curves(forest, stored, bins, units, settings, threads, all.value);
    all.between.insert(all.between.end(), forest.outside.between.begin(), forest.outside.between.end());
    return all;
}

// A survival forest reads events where others read treatments.
template <typename Model>
const double* treatment_of(World& world) {
    if (std::is_same_v<Model, Survival>)
        for (double& t : world.treatment) t = t > -0.5 ? 1.0 : 0.0;
    return world.treatment.data();
}

template <typename Model>
bool agrees(const char* name, std::size_t outcomes) {
    World world(outcomes);
    const Columns columns{world.outcome.data(), treatment_of<Model>(world), world.instrument.data(), world.weights.data()};
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
                      agrees<Quantile>("quantile", 1) & agrees<Survival>("survival", 1) &
                      agrees<Linear<3, Sides::arms>>("four arms", 1) & agrees<Linear<2, Sides::both>>("two amounts", 1);
    return fine ? 0 : 1;
}
