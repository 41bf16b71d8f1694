// Work in fixed chunks, handed to threads, results kept per chunk: the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace butfor {

template <typename Work>
void for_each_chunk(std::size_t chunks, int threads, Work work) {
    const std::size_t helpers = std::min<std::size_t>(chunks, threads > 0 ? threads : 1);
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex guard;
    auto loop = [&] {
        try {
            for (std::size_t c = next++; c < chunks; c = next++) work(c);
        } catch (...) {  // out of memory, say: carried to the thread that called
            next = chunks;
            const std::lock_guard<std::mutex> locked(guard);
            failure = std::current_exception();
        }
    };
    std::vector<std::thread> pool;
    pool.reserve(helpers);
    try {
        for (std::size_t t = 1; t < helpers; ++t) pool.emplace_back(loop);
    } catch (const std::system_error&) {  // the system grants no more threads: those that run do the work
    }
    loop();
    for (auto& thread : pool) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace butfor
