// Tessera from C++17: tessera.h with objects that free themselves, views instead of pointers and sizes,
// and errors as exceptions. Header only; link Tessera::tesseraxx, or libtessera.
//
//     tessera::Device device;
//     auto base = tessera::Vectors::open("base.f16.npy");
//     tessera::Search search(base, tessera::Metric::inner_product, device);
//     auto hits = search.nearest({queries, 384}, 10);      // queries: std::vector<float>
//     hits.ids[0], hits.scores[0]                          // of query 0, the best
//
// Rules are those of tessera.h. Objects are moved, not copied; what was moved from is empty, and calls
// with it throw. Calls of const members may be made from many threads at once.
#ifndef TESSERA_HPP
#define TESSERA_HPP

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tessera.h"

namespace tessera {

// What every call throws that fails: the library's sentence, and the number of its kind.
class Error : public std::runtime_error {
 public:
  Error(tessera_status status, const char *text) : std::runtime_error(text), status_(status) {}
  tessera_status status() const noexcept { return status_; }

 private:
  tessera_status status_;
};

inline void check(tessera_status status) {
  if (status != TESSERA_OK) throw Error(status, tessera_last_error());
}

inline std::string version() { return tessera_version(); }

enum class Metric : tessera_metric {
  l2 = TESSERA_L2,
  inner_product = TESSERA_INNER_PRODUCT,
  cosine = TESSERA_COSINE,
  hamming = TESSERA_HAMMING,
  jaccard = TESSERA_JACCARD
};

// A view of numbers that lie one after the other, somewhere else.
template <class T>
class Span {
 public:
  Span() = default;
  Span(T *data, std::size_t size) : data_(data), size_(size) {}
  // Whatever has data() and size() of such numbers: std::vector, std::array, std::span.
  template <class Container,
            class = std::enable_if_t<
                std::is_convertible<decltype(std::declval<Container &>().data()), T *>::value>,
            class = decltype(std::declval<Container &>().size())>
  Span(Container &&container) : data_(container.data()), size_(container.size()) {}

  T *data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

// A view of rows of numbers, somewhere else.
class Rows {
 public:
  explicit Rows(const tessera_rows &rows) : rows_(rows) {}
  Rows(Span<const float> values, std::int64_t dimension) : Rows(values, dimension, TESSERA_FLOAT32) {}
  Rows(Span<const std::int8_t> values, std::int64_t dimension)
      : Rows(values, dimension, TESSERA_INT8) {}
  Rows(Span<const std::uint8_t> values, std::int64_t dimension)
      : Rows(values, dimension, TESSERA_UINT8) {}
  // The bits of 16-bit floats: TESSERA_FLOAT16 or TESSERA_BFLOAT16.
  template <class T>
  Rows(Span<const T> values, std::int64_t dimension, tessera_element element) : rows_{} {
    if (dimension <= 0 || values.size() % static_cast<std::size_t>(dimension) != 0) {
      throw Error(TESSERA_INVALID_SHAPE, "rows: the numbers do not divide into rows");
    }
    rows_.data = values.data();
    rows_.element = element;
    rows_.count = static_cast<std::int64_t>(values.size() / static_cast<std::size_t>(dimension));
    rows_.dimension = dimension;
  }

  std::int64_t count() const noexcept { return rows_.count; }
  std::int64_t dimension() const noexcept { return rows_.dimension; }
  const tessera_rows *get() const noexcept { return &rows_; }

 private:
  tessera_rows rows_;
};

// Owns a handle.
template <class T>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T *handle) : handle_(handle) {}
  Handle(Handle &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle &operator=(Handle &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Handle(const Handle &) = delete;
  Handle &operator=(const Handle &) = delete;
  ~Handle() { tessera_free(handle_); }

  T *get() const noexcept { return handle_; }

  // Takes the handle that `make` puts where its argument says.
  template <class Make>
  static Handle of(Make &&make) {
    T *handle = nullptr;
    check(make(&handle));
    return Handle(handle);
  }

 private:
  T *handle_ = nullptr;
};

// A struct of options or a report, with its size and the defaults.
template <class T>
T sized() {
  T value{};
  value.size = sizeof(T);
  return value;
}

// Steers calls: hears of progress, ends them by hand, or at a deadline.
class Control {
 public:
  // Hears the stage and the share of the whole that is done; false ends the call. What it throws ends
  // the call too.
  using Progress = std::function<bool(const char *stage, double done)>;

  explicit Control(Progress progress = nullptr, double seconds = 0)
      : progress_(progress ? std::make_unique<Progress>(std::move(progress)) : nullptr) {
    auto options = sized<tessera_control_options>();
    options.seconds = seconds;
    if (progress_) {
      options.progress = &Control::tell;
      options.context = progress_.get();
    }
    handle_ = Handle<tessera_control>::of(
        [&](tessera_control **out) { return tessera_control_create(&options, out); });
  }

  // From any thread.
  void cancel() const { check(tessera_control_cancel(handle_.get())); }
  tessera_control *get() const noexcept { return handle_.get(); }

 private:
  static std::int32_t tell(const char *stage, double done, double, void *context) noexcept {
    try {
      return (*static_cast<Progress *>(context))(stage, done) ? 0 : 1;
    } catch (...) {
      return 1;
    }
  }

  std::unique_ptr<Progress> progress_;
  Handle<tessera_control> handle_;
};

inline tessera_control *get(const Control *control) noexcept {
  return control ? control->get() : nullptr;
}

// A device that computes; "auto" without leave to measure is the CPU.
class Device {
 public:
  explicit Device(const char *name = nullptr, std::int32_t threads = 0, bool may_measure = false) {
    auto options = sized<tessera_device_options>();
    options.threads = threads;
    options.flags = may_measure ? TESSERA_MEASURE : 0;
    handle_ = Handle<tessera_device>::of(
        [&](tessera_device **out) { return tessera_device_open(name, &options, out); });
  }

  tessera_device_info info() const {
    tessera_device_info info{};
    check(tessera_device_describe(get(), &info));
    return info;
  }
  tessera_device *get() const noexcept { return handle_.get(); }

 private:
  Handle<tessera_device> handle_;
};

inline std::vector<tessera_device_info> devices() {
  std::int64_t count = 0;
  check(tessera_devices(nullptr, 0, &count));
  std::vector<tessera_device_info> infos(static_cast<std::size_t>(count));
  check(tessera_devices(infos.data(), count, &count));
  if (static_cast<std::size_t>(count) < infos.size()) infos.resize(static_cast<std::size_t>(count));
  return infos;
}

// Vectors that are searched, or that an index is built of.
class Vectors {
 public:
  static Vectors copy(const Rows &rows) {
    return Vectors([&](tessera_vectors **out) { return tessera_vectors_copy(rows.get(), out); });
  }
  // Without a copy: the rows have to outlive all that is made of them.
  static Vectors view(const Rows &rows) {
    return Vectors([&](tessera_vectors **out) {
      return tessera_vectors_wrap(rows.get(), nullptr, nullptr, out);
    });
  }
  static Vectors open(const std::string &path) {
    return Vectors([&](tessera_vectors **out) { return tessera_vectors_open(path.c_str(), out); });
  }

  Rows rows() const {
    tessera_rows rows{};
    check(tessera_vectors_rows(get(), &rows));
    return Rows(rows);
  }
  tessera_vectors *get() const noexcept { return handle_.get(); }

 private:
  template <class Make>
  explicit Vectors(Make &&make) : handle_(Handle<tessera_vectors>::of(make)) {}
  Handle<tessera_vectors> handle_;
};

// Selects the rows that may be hits.
class Filter {
 public:
  static Filter range(std::int64_t first, std::int64_t end) {
    return Filter([&](tessera_filter **out) { return tessera_filter_range(first, end, out); });
  }
  static Filter ids(Span<const std::int64_t> ids) {
    return Filter([&](tessera_filter **out) {
      return tessera_filter_ids(ids.data(), static_cast<std::int64_t>(ids.size()), out);
    });
  }
  static Filter bitmap(Span<const std::uint64_t> words, std::int64_t first = 0) {
    return Filter([&](tessera_filter **out) {
      return tessera_filter_bitmap(
          words.data(), static_cast<std::int64_t>(words.size()), first, out);
    });
  }
  tessera_filter *get() const noexcept { return handle_.get(); }

 private:
  template <class Make>
  explicit Filter(Make &&make) : handle_(Handle<tessera_filter>::of(make)) {}
  Handle<tessera_filter> handle_;
};

// k hits of each query, row after row, best first; id -1 where there are fewer.
struct Neighbors {
  std::int64_t k = 0;
  std::vector<std::int64_t> ids;
  std::vector<float> scores;
  tessera_search_report report{};
};

// All hits within a score: query q has those at starts[q] up to starts[q + 1].
struct Hits {
  std::vector<std::int64_t> starts;
  std::vector<std::int64_t> ids;
  std::vector<float> scores;
  tessera_search_report report{};
};

struct SearchOptions {
  const Filter *filter = nullptr;  // all rows
  std::int64_t probes = 0;         // as `recall` says
  double recall = 0;               // 0.95

  tessera_search_options get() const {
    auto options = sized<tessera_search_options>();
    options.filter = filter ? filter->get() : nullptr;
    options.probes = probes;
    options.recall = recall;
    return options;
  }
};

struct IndexOptions {
  std::int64_t training_limit = 0;  // as many as each part needs
  std::uint64_t seed = 0;           // 1234
  std::int64_t iterations = 0;      // 10
  Span<const std::int64_t> ids = {};  // counted from 0

  tessera_index_options get() const {
    auto options = sized<tessera_index_options>();
    options.training_limit = training_limit;
    options.seed = seed;
    options.iterations = iterations;
    return options;
  }
};

class Index {
 public:
  static Index build(
      const std::string &specification, const Vectors &vectors, Metric metric, const Device &device,
      const IndexOptions &options = {}, const Control *control = nullptr) {
    const auto own = options.get();
    return Index([&](tessera_index **out) {
      return tessera_index_build(
          specification.c_str(), vectors.get(), static_cast<tessera_metric>(metric),
          options.ids.data(), static_cast<std::int64_t>(options.ids.size()), &own, device.get(),
          tessera::get(control), out);
    });
  }
  // Trains what build() would train, and puts no row in: LivingIndex adds some.
  static Index train(
      const std::string &specification, const Vectors &vectors, Metric metric, const Device &device,
      const IndexOptions &options = {}, const Control *control = nullptr) {
    const auto own = options.get();
    return Index([&](tessera_index **out) {
      return tessera_index_train(
          specification.c_str(), vectors.get(), static_cast<tessera_metric>(metric), &own,
          device.get(), tessera::get(control), out);
    });
  }
  static Index open(const std::string &path) {
    return Index([&](tessera_index **out) { return tessera_index_open(path.c_str(), out); });
  }

  void save(const std::string &path) const { check(tessera_index_save(get(), path.c_str())); }
  Index measured(const Device &device, const Control *control = nullptr) const {
    return Index([&](tessera_index **out) {
      return tessera_index_measure(get(), device.get(), tessera::get(control), out);
    });
  }
  tessera_index_info info() const {
    auto info = sized<tessera_index_info>();
    check(tessera_index_describe(get(), &info));
    return info;
  }
  std::vector<float> reconstruct(Span<const std::int64_t> ids, const Device &device) const {
    std::vector<float> rows(ids.size() * static_cast<std::size_t>(info().dimension));
    check(tessera_index_reconstruct(
        get(), ids.data(), static_cast<std::int64_t>(ids.size()), device.get(), rows.data()));
    return rows;
  }
  // The same rows with the ids 0, 1, 2, ... in the order of those they had.
  Index renumbered() const {
    return Index([&](tessera_index **out) { return tessera_index_renumber(get(), out); });
  }
  tessera_index *get() const noexcept { return handle_.get(); }

 private:
  friend class LivingIndex;
  template <class Make>
  explicit Index(Make &&make) : handle_(Handle<tessera_index>::of(make)) {}
  Handle<tessera_index> handle_;
};

// An index that rows are added to and removed from: in a file, where a change is durable when the call
// returns, or in memory alone. The file is another's to write once this and its searches are gone.
class LivingIndex {
 public:
  static LivingIndex open(const std::string &path, bool for_writing = true) {
    return LivingIndex([&](tessera_living **out) {
      return tessera_living_open(path.c_str(), for_writing ? TESSERA_WRITE : 0, out);
    });
  }
  static LivingIndex in_memory(const Index &index) {
    return LivingIndex([&](tessera_living **out) { return tessera_living_create(index.get(), out); });
  }

  // Returns the ids of the rows; without `ids` each gets the next after the highest there was.
  std::vector<std::int64_t> add(const Rows &rows, Span<const std::int64_t> ids = {}) {
    std::vector<std::int64_t> given(static_cast<std::size_t>(rows.count()));
    check(tessera_living_add(
        get(), rows.get(), ids.data(), static_cast<std::int64_t>(ids.size()), given.data()));
    return given;
  }
  // Puts rows in the places of those that have the same ids.
  void update(const Rows &rows, Span<const std::int64_t> ids) {
    check(tessera_living_update(
        get(), rows.get(), ids.data(), static_cast<std::int64_t>(ids.size())));
  }
  // Returns how many rows there were to remove.
  std::int64_t remove(Span<const std::int64_t> ids) {
    std::int64_t removed = 0;
    check(tessera_living_remove(
        get(), ids.data(), static_cast<std::int64_t>(ids.size()), &removed));
    return removed;
  }
  std::int64_t remove(const Filter &filter) {
    std::int64_t removed = 0;
    check(tessera_living_remove_selected(get(), filter.get(), &removed));
    return removed;
  }
  void compact(const Device &device, const Control *control = nullptr) {
    check(tessera_living_compact(get(), device.get(), tessera::get(control)));
  }
  void refresh() { check(tessera_living_refresh(get())); }
  void verify() const { check(tessera_living_verify(get())); }

  tessera_living_info info() const {
    auto info = sized<tessera_living_info>();
    check(tessera_living_describe(get(), &info));
    return info;
  }
  // All rows there are now, as an index that does not change.
  Index index(const Device &device, const Control *control = nullptr) const {
    return Index([&](tessera_index **out) {
      return tessera_living_index(get(), device.get(), tessera::get(control), out);
    });
  }
  std::vector<float> reconstruct(Span<const std::int64_t> ids, const Device &device) const {
    std::vector<float> rows(ids.size() * static_cast<std::size_t>(info().dimension));
    check(tessera_living_reconstruct(
        get(), ids.data(), static_cast<std::int64_t>(ids.size()), device.get(), rows.data()));
    return rows;
  }
  tessera_living *get() const noexcept { return handle_.get(); }

 private:
  template <class Make>
  explicit LivingIndex(Make &&make) : handle_(Handle<tessera_living>::of(make)) {}
  Handle<tessera_living> handle_;
};

class Quantizer {
 public:
  static Quantizer train(
      const std::string &specification, const Rows &points, const Device &device,
      const Control *control = nullptr) {
    return Quantizer([&](tessera_quantizer **out) {
      return tessera_quantizer_train(
          specification.c_str(), points.get(), device.get(), tessera::get(control), out, nullptr);
    });
  }
  static Quantizer open(const std::string &path) {
    return Quantizer(
        [&](tessera_quantizer **out) { return tessera_quantizer_open(path.c_str(), out); });
  }

  void save(const std::string &path) const { check(tessera_quantizer_save(get(), path.c_str())); }
  tessera_quantizer_info info() const {
    auto info = sized<tessera_quantizer_info>();
    check(tessera_quantizer_describe(get(), &info));
    return info;
  }
  std::vector<std::uint8_t> encode(
      const Rows &rows, const Device &device, const Control *control = nullptr) const {
    std::vector<std::uint8_t> codes(
        static_cast<std::size_t>(rows.count()) * static_cast<std::size_t>(info().code_bytes));
    check(tessera_quantizer_encode(
        get(), rows.get(), device.get(), tessera::get(control), codes.data()));
    return codes;
  }
  std::vector<float> decode(
      Span<const std::uint8_t> codes, const Device &device, const Control *control = nullptr) const {
    const auto own = info();
    const auto count = codes.size() / static_cast<std::size_t>(own.code_bytes);
    std::vector<float> rows(count * static_cast<std::size_t>(own.dimension));
    check(tessera_quantizer_decode(
        get(), codes.data(), static_cast<std::int64_t>(count), device.get(), tessera::get(control),
        rows.data()));
    return rows;
  }
  tessera_quantizer *get() const noexcept { return handle_.get(); }

 private:
  template <class Make>
  explicit Quantizer(Make &&make) : handle_(Handle<tessera_quantizer>::of(make)) {}
  Handle<tessera_quantizer> handle_;
};

// Vectors, codes or an index, made ready to be searched.
class Search {
 public:
  Search(const Vectors &vectors, Metric metric, const Device &device)
      : handle_(Handle<tessera_search>::of([&](tessera_search **out) {
          return tessera_search_vectors(
              vectors.get(), static_cast<tessera_metric>(metric), device.get(), out);
        })) {}
  Search(const Index &index, const Device &device)
      : handle_(Handle<tessera_search>::of([&](tessera_search **out) {
          return tessera_search_index(index.get(), device.get(), out);
        })) {}
  // Each search sees the index as it is when the search begins.
  Search(const LivingIndex &index, const Device &device)
      : handle_(Handle<tessera_search>::of([&](tessera_search **out) {
          return tessera_search_living(index.get(), device.get(), out);
        })) {}
  // Vectors that are a part of a set: row i has the id first_id + i.
  static Search shard(const Vectors &vectors, std::int64_t first_id, Metric metric,
                      const Device &device) {
    return Search(Handle<tessera_search>::of([&](tessera_search **out) {
      return tessera_search_shard(
          vectors.get(), first_id, static_cast<tessera_metric>(metric), device.get(), out);
    }));
  }
  Search(const Quantizer &quantizer, Span<const std::uint8_t> codes, Metric metric,
         const Device &device)
      : handle_(Handle<tessera_search>::of([&](tessera_search **out) {
          const auto bytes = static_cast<std::size_t>(quantizer.info().code_bytes);
          return tessera_search_codes(
              quantizer.get(), codes.data(), static_cast<std::int64_t>(codes.size() / bytes),
              static_cast<tessera_metric>(metric), device.get(), out);
        })) {}

  Neighbors nearest(
      const Rows &queries, std::int64_t k, const SearchOptions &options = {},
      const Control *control = nullptr) const {
    if (k < 1) throw Error(TESSERA_INVALID_ARGUMENT, "search: k must be at least 1");
    Neighbors found;
    found.k = k;
    const auto size = static_cast<std::size_t>(queries.count()) * static_cast<std::size_t>(k);
    found.ids.resize(size);
    found.scores.resize(size);
    found.report = sized<tessera_search_report>();
    const auto own = options.get();
    check(tessera_search_nearest(
        handle_.get(), queries.get(), k, &own, tessera::get(control), found.ids.data(),
        found.scores.data(), &found.report));
    return found;
  }

  Hits within(
      const Rows &queries, float score, const SearchOptions &options = {},
      const Control *control = nullptr) const {
    Hits found;
    found.report = sized<tessera_search_report>();
    const auto own = options.get();
    const auto hits = Handle<tessera_hits>::of([&](tessera_hits **out) {
      return tessera_search_within(
          handle_.get(), queries.get(), score, &own, tessera::get(control), out, &found.report);
    });
    std::int64_t query_count = 0;
    std::int64_t hit_count = 0;
    check(tessera_hits_count(hits.get(), &query_count, &hit_count));
    found.starts.resize(static_cast<std::size_t>(query_count) + 1);
    found.ids.resize(static_cast<std::size_t>(hit_count));
    found.scores.resize(static_cast<std::size_t>(hit_count));
    check(tessera_hits_copy(
        hits.get(), found.starts.data(), found.ids.data(), found.scores.data()));
    return found;
  }

 private:
  explicit Search(Handle<tessera_search> handle) : handle_(std::move(handle)) {}
  Handle<tessera_search> handle_;
};

// The k best of what several searches of the same queries have found, which were all for as many hits.
inline Neighbors merge_top_k(const std::vector<Neighbors> &parts, std::int64_t k, Metric metric) {
  if (k < 1 || parts.empty() || parts[0].k < 1) {
    throw Error(TESSERA_INVALID_ARGUMENT, "merge: there must be hits, and k be at least 1");
  }
  std::vector<std::int64_t> ids;
  std::vector<float> scores;
  for (const auto &part : parts) {
    if (part.k != parts[0].k || part.ids.size() != parts[0].ids.size() ||
        part.scores.size() != part.ids.size()) {
      throw Error(TESSERA_INVALID_SHAPE, "merge: parts have other numbers of hits");
    }
    ids.insert(ids.end(), part.ids.begin(), part.ids.end());
    scores.insert(scores.end(), part.scores.begin(), part.scores.end());
  }
  const auto queries = parts[0].ids.size() / static_cast<std::size_t>(parts[0].k);
  Neighbors best;
  best.k = k;
  best.report = sized<tessera_search_report>();
  best.ids.resize(queries * static_cast<std::size_t>(k));
  best.scores.resize(best.ids.size());
  check(tessera_merge_top_k(
      ids.data(), scores.data(), static_cast<std::int64_t>(parts.size()),
      static_cast<std::int64_t>(queries), parts[0].k, static_cast<tessera_metric>(metric), k,
      best.ids.data(), best.scores.data()));
  return best;
}

// A ball that holds all rows of a shard (under the cosine, at unit length).
struct ShardBall {
  std::vector<float> center;
  float radius = 0;

  static ShardBall of(const Rows &rows, Metric metric, const Control *control = nullptr) {
    ShardBall ball;
    ball.center.resize(static_cast<std::size_t>(rows.dimension()));
    check(tessera_shard_ball(
        rows.get(), static_cast<tessera_metric>(metric), tessera::get(control), ball.center.data(),
        &ball.radius));
    return ball;
  }
};

// Scores, queries x shards, that no row in the balls is better than.
inline std::vector<float> shard_bounds(
    const std::vector<ShardBall> &balls, Metric metric, const Rows &queries) {
  std::vector<float> centers;
  std::vector<float> radii;
  for (const auto &ball : balls) {
    if (static_cast<std::int64_t>(ball.center.size()) != queries.dimension()) {
      throw Error(TESSERA_INVALID_SHAPE, "shard: a ball has another dimension than the queries");
    }
    centers.insert(centers.end(), ball.center.begin(), ball.center.end());
    radii.push_back(ball.radius);
  }
  std::vector<float> bounds(static_cast<std::size_t>(queries.count()) * balls.size());
  check(tessera_shard_bounds(
      Rows(centers, queries.dimension()).get(), radii.data(), static_cast<tessera_metric>(metric),
      queries.get(), bounds.data()));
  return bounds;
}

// Tells, queries x shards, which shards may hold a better row than the hits so far, which are those of the
// shards `searched` (as this returns them; empty: none). No 1 for a query proves its hits.
inline std::vector<std::uint8_t> shards_left(
    const std::vector<float> &bounds, const Neighbors &found, Metric metric,
    const std::vector<std::uint8_t> &searched = {}) {
  if (found.k < 1 || found.scores.empty() || (!searched.empty() && searched.size() != bounds.size())) {
    throw Error(TESSERA_INVALID_SHAPE, "shard: there must be hits, and a flag for each bound or none");
  }
  const auto queries = found.scores.size() / static_cast<std::size_t>(found.k);
  if (bounds.size() % queries != 0) {
    throw Error(TESSERA_INVALID_SHAPE, "shard: the bounds are not those of the queries of the hits");
  }
  std::vector<std::uint8_t> left(bounds.size());
  check(tessera_shards_left(
      bounds.data(), searched.empty() ? nullptr : searched.data(),
      static_cast<std::int64_t>(queries), static_cast<std::int64_t>(bounds.size() / queries),
      found.scores.data(), found.k, static_cast<tessera_metric>(metric), left.data(), nullptr));
  return left;
}

struct Clusters {
  std::vector<float> centroids;
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> counts;
  tessera_kmeans_report report{};
};

// Groups points into k clusters. `change` may change the options before.
inline Clusters kmeans(
    const Rows &points, std::int64_t k, const Device &device,
    const std::function<void(tessera_kmeans_options &)> &change = nullptr,
    const Control *control = nullptr) {
  if (k < 1 || k > points.count()) {
    throw Error(TESSERA_INVALID_SHAPE, "k-means: there must be 1 cluster, and a point for each");
  }
  auto options = sized<tessera_kmeans_options>();
  if (change) change(options);
  Clusters found;
  const auto clusters = static_cast<std::size_t>(k);
  found.centroids.resize(clusters * static_cast<std::size_t>(points.dimension()));
  found.labels.resize(static_cast<std::size_t>(points.count()));
  found.counts.resize(clusters);
  found.report = sized<tessera_kmeans_report>();
  check(tessera_kmeans(
      points.get(), k, &options, device.get(), tessera::get(control), found.centroids.data(),
      found.labels.data(), found.counts.data(), &found.report));
  return found;
}

// Changes the options of a call.
using KMeansChange = std::function<void(tessera_kmeans_options &)>;

// The numbers of the rows that centroids start from, where rows lie on many machines.
inline std::vector<std::int64_t> kmeans_start_rows(
    std::int64_t row_count, std::int64_t k, const KMeansChange &change = nullptr) {
  auto options = sized<tessera_kmeans_options>();
  if (change) change(options);
  std::int64_t count = 0;
  check(tessera_kmeans_start_rows(row_count, k, &options, nullptr, 0, &count));
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  check(tessera_kmeans_start_rows(row_count, k, &options, rows.data(), count, &count));
  return rows;
}

// The centroids to start from, of the rows that kmeans_start_rows() has named.
inline std::vector<float> kmeans_start(
    const Rows &rows, std::int64_t row_count, std::int64_t k, const Device &device,
    const KMeansChange &change = nullptr, const Control *control = nullptr) {
  if (k < 1 || k > rows.count()) {
    throw Error(TESSERA_INVALID_SHAPE, "k-means: there must be 1 cluster, and a row for each");
  }
  auto options = sized<tessera_kmeans_options>();
  if (change) change(options);
  std::vector<float> centroids(
      static_cast<std::size_t>(k) * static_cast<std::size_t>(rows.dimension()));
  check(tessera_kmeans_start_centroids(
      rows.get(), row_count, k, &options, device.get(), tessera::get(control), centroids.data()));
  return centroids;
}

// What rows say about centroids, or what several partial results say together: bytes to be sent.
class KMeansPartial {
 public:
  KMeansPartial(
      const Rows &rows, std::int64_t first_row, const Rows &centroids, std::int64_t chunk_rows,
      const Device &device, const KMeansChange &change = nullptr,
      const Control *control = nullptr) {
    auto options = sized<tessera_kmeans_options>();
    options.chunk_rows = chunk_rows;
    if (change) change(options);
    take([&](tessera_bytes **out) {
      return tessera_kmeans_partial(
          rows.get(), first_row, centroids.get(), &options, device.get(), tessera::get(control),
          out);
    });
  }
  // Bytes that were sent.
  explicit KMeansPartial(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

  static KMeansPartial merge(const std::vector<KMeansPartial> &parts) {
    std::vector<const void *> addresses;
    std::vector<std::int64_t> sizes;
    for (const auto &part : parts) {
      addresses.push_back(part.bytes_.data());
      sizes.push_back(static_cast<std::int64_t>(part.bytes_.size()));
    }
    KMeansPartial merged{std::vector<std::uint8_t>()};
    merged.take([&](tessera_bytes **out) {
      return tessera_kmeans_merge(
          addresses.data(), sizes.data(), static_cast<std::int64_t>(parts.size()), out);
    });
    return merged;
  }

  struct Step {
    std::vector<float> centroids;
    std::vector<std::int64_t> counts;
    tessera_kmeans_step_report report{};
  };
  // The centroids that follow, once this is what all rows say about `centroids`.
  Step step(std::int64_t row_count, const Rows &centroids) const {
    Step step;
    step.centroids.resize(static_cast<std::size_t>(centroids.count()) *
                          static_cast<std::size_t>(centroids.dimension()));
    step.counts.resize(static_cast<std::size_t>(centroids.count()));
    step.report = sized<tessera_kmeans_step_report>();
    check(tessera_kmeans_step(
        bytes_.data(), static_cast<std::int64_t>(bytes_.size()), row_count, centroids.get(),
        step.centroids.data(), step.counts.data(), &step.report));
    return step;
  }

  const std::vector<std::uint8_t> &bytes() const noexcept { return bytes_; }

 private:
  template <class Make>
  void take(Make &&make) {
    const auto made = Handle<tessera_bytes>::of(make);
    const void *data = nullptr;
    std::int64_t size = 0;
    check(tessera_bytes_get(made.get(), &data, &size));
    const auto first = static_cast<const std::uint8_t *>(data);
    bytes_.assign(first, first + size);
  }
  std::vector<std::uint8_t> bytes_;
};

}  // namespace tessera

#endif
