// The job of ../README.md in C++.
#include <fstream>
#include <iostream>
#include <tessera.hpp>

namespace {

template <class T>
void put(std::ostream &out, const std::vector<T> &numbers) {
  out.write(reinterpret_cast<const char *>(numbers.data()),
            static_cast<std::streamsize>(numbers.size() * sizeof(T)));
}

void put(std::ostream &out, const tessera::Neighbors &found) {
  put(out, found.ids);
  put(out, found.scores);
}

void work(const std::string &base_path, const std::string &query_path, std::ostream &out) {
  const tessera::Device device("cpu");
  const auto base = tessera::Vectors::open(base_path);
  const auto asked = tessera::Vectors::open(query_path);

  const tessera::Search exact(base, tessera::Metric::inner_product, device);
  put(out, exact.nearest(asked.rows(), 5));

  const auto some = tessera::Filter::range(0, 100);
  tessera::SearchOptions options;
  options.filter = &some;
  put(out, exact.nearest(asked.rows(), 5, options));

  const auto index =
      tessera::Index::build("IVF16,Flat", base, tessera::Metric::inner_product, device);
  options = {};
  options.probes = 4;
  put(out, tessera::Search(index, device).nearest(asked.rows(), 5, options));

  // The queries become rows, which are found, and are removed again.
  auto living = tessera::LivingIndex::in_memory(index);
  const tessera::Search changing(living, device);
  const auto given = living.add(asked.rows());
  put(out, changing.nearest(asked.rows(), 5, options));
  living.compact(device);
  put(out, changing.nearest(asked.rows(), 5, options));
  if (living.remove(given) != asked.rows().count()) throw std::logic_error("rows were not there");
  put(out, changing.nearest(asked.rows(), 5, options));
  if (living.info().count != base.rows().count()) throw std::logic_error("rows were left");

  const auto clusters = tessera::kmeans(base.rows(), 8, device);
  put(out, clusters.centroids);
  put(out, clusters.labels);

  // Progress is heard, and what a listener wants to end ends.
  const tessera::Control control([](const char *, double) { return false; });
  try {
    tessera::kmeans(base.rows(), 8, device, nullptr, &control);
    throw std::logic_error("the call did not end");
  } catch (const tessera::Error &error) {
    if (error.status() != TESSERA_CANCELLED) throw;
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  try {
    std::ofstream out(argv[3], std::ios::binary);
    out.exceptions(std::ios::failbit | std::ios::badbit);
    work(argv[1], argv[2], out);
    return tessera_handle_count() == 0 ? 0 : 70;
  } catch (const std::exception &error) {
    std::cerr << "consumer: " << error.what() << "\n";
    return 1;
  }
}
