// Work in fixed chunks, handed to threads, results kept per chunk: the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace butfor {

template <typename Work>
void for_each_chunk(std::size_t chunks, int threads, Work work) {
    const std::size_t helpers = std::min<std::size_t>(chunks, threads > 0 ? threads : 1);
    if (helpers <= 1) {
        for (std::size_t c = 0; c < chunks; ++c) work(c);
        return;
    }
    std::atomic<std::size_t> next{0};
    auto loop = [&] {
        for (std::size_t c = next++; c < chunks; c = next++) work(c);
    };
    std::vector<std::thread> pool;
    for (std::size_t t = 1; t < helpers; ++t) pool.emplace_back(loop);
    loop();
    for (auto& thread : pool) thread.join();
}

}  // namespace butfor

// One source, several instruction sets, chosen when the library is loaded.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define BUTFOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BUTFOR_CLONES
#endif
