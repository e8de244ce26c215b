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

  // The same clusters of rows that two machines have: one update from the centroids above.
  const auto points = *base.rows().get();
  const auto part = [&](std::int64_t first, std::int64_t end) {
    auto own = points;
    own.data = static_cast<const char *>(own.data) + first * own.stride;
    own.count = end - first;
    return tessera::Rows(own);
  };
  const tessera::Rows old(clusters.centroids, points.dimension);
  const auto all = tessera::KMeansPartial::merge(
      {tessera::KMeansPartial(part(1000, points.count), 1000, old, 500, device),
       tessera::KMeansPartial(part(0, 1000), 0, old, 500, device)});
  put(out, tessera::KMeansPartial(all.bytes()).step(points.count, old).centroids);

  // What the second half may hold at best.
  const auto ball = tessera::ShardBall::of(part(1000, points.count), tessera::Metric::inner_product);
  const auto bounds = tessera::shard_bounds({ball}, tessera::Metric::inner_product, asked.rows());
  put(out, bounds);
  const auto hits = exact.nearest(asked.rows(), 5);
  if (tessera::shards_left(bounds, hits, tessera::Metric::inner_product).size() != bounds.size()) {
    throw std::logic_error("no flag for each bound");
  }
  const auto start = tessera::kmeans_start_rows(points.count, 8);
  if (start.size() != static_cast<std::size_t>(points.count) ||
      tessera::kmeans_start(base.rows(), points.count, 8, device).size() !=
          clusters.centroids.size()) {
    throw std::logic_error("centroids start from other rows");
  }

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
