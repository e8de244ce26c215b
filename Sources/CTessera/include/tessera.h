/*
 * Tessera's C interface: exact vector search, indexes, k-means and quantizers, the same bits on every
 * device. This header is the one description of it; Sources/TesseraC implements it.
 *
 * RULES
 *
 * Status. Every call that can fail returns a tessera_status: TESSERA_OK, or what went wrong. The text
 * that belongs to it is tessera_last_error(), each thread's own. After an error the memory that results
 * point to has no defined contents, and handles that the call should have made are NULL.
 *
 * Handles. Things that live longer than a call are handles, made by one call and given back by
 * tessera_free(), whatever their kind. A handle is a number that is never used again and no address:
 * one that was freed, belongs to another kind or was never made is an error and harms nothing. A thing
 * that others were made of stays alive as long as they need it, so handles can be freed in any order.
 *
 * Options. Structs of options begin with their own size, so that a program built with an older header
 * works with a newer library. NULL, and 0 in any field, mean the default:
 *
 *     tessera_search_options options = TESSERA_INIT(tessera_search_options);
 *     options.probes = 16;
 *
 * Results go into the caller's memory, row after row, best hit first, ties by lower id. Where a query
 * has fewer than k hits the rest of its row has the id -1, and the worst score there is: minus infinity,
 * for L2 plus infinity.
 *
 * Threads. Every call may be made from any thread, and with the same handles from many at once. Work
 * uses the threads of one pool, one for each core.
 *
 * What cannot be checked, and is the caller's duty: that pointers point to as much memory as the sizes
 * beside them say, and that texts end with a zero byte.
 *
 * Nothing is measured, and nothing written but what is asked for. OpenCL devices, once named or listed,
 * keep their compiled kernels in the user's cache folder (TESSERA_CACHE names another).
 */
#ifndef TESSERA_H
#define TESSERA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------- Version */

#define TESSERA_VERSION_MAJOR 0
#define TESSERA_VERSION_MINOR 1
#define TESSERA_VERSION_PATCH 0

/* Returns the version of the library, such as "0.1.0". It stays valid. */
const char *tessera_version(void);

/* Tells whether the library has a feature: 1 or 0. Features of this version: "flat", "filter",
   "within", "codes", "index.build", "index.convert", "index.add", "merge", "kmeans", "kmeans.partial",
   "shard.ball", "quantizer", "opencl". Later ones add names and take none away. */
int32_t tessera_has(const char *feature);

/* ---------------------------------------------------------------------------------- Errors */

/* What became of a call. Numbers never change their meaning; later versions may add some. */
typedef int32_t tessera_status;
enum {
  TESSERA_OK = 0,
  TESSERA_INVALID_ARGUMENT = 1,   /* an option outside its allowed values, a NULL, a dead handle */
  TESSERA_INVALID_SHAPE = 2,      /* sizes that do not fit together */
  TESSERA_NON_FINITE = 3,         /* NaN or infinity where only finite numbers have a meaning */
  TESSERA_UNSUPPORTED = 4,        /* a combination this device or version cannot honour */
  TESSERA_WRONG_DEVICE = 5,       /* memory that belongs to another device */
  TESSERA_DEVICE_UNAVAILABLE = 6, /* no such device, or its driver cannot be used */
  TESSERA_DEVICE_FAILURE = 7,     /* a driver call failed while work was running */
  TESSERA_DEVICE_LOST = 8,        /* the device lost what was stored on it */
  TESSERA_WRONG_RESULT = 9,       /* a device computed something else than it must */
  TESSERA_BUILD_FAILURE = 10,     /* a kernel did not compile */
  TESSERA_OUT_OF_MEMORY = 11,     /* not enough device or host memory */
  TESSERA_CANCELLED = 12,         /* the caller asked for the work to end */
  TESSERA_DEADLINE_EXCEEDED = 13, /* the work was not done by the moment the caller set */
  TESSERA_MALFORMED_FILE = 14,    /* a file whose bytes are not what its format says */
  TESSERA_INPUT_NOT_FOUND = 15,   /* a file that is not there or cannot be opened */
  TESSERA_CANNOT_CREATE = 16,     /* an output that cannot be created */
  TESSERA_INPUT_OUTPUT = 17,      /* reading or writing failed half way */
  TESSERA_BUSY = 18               /* another does what only one at a time may do; try again */
};

/* Returns the sentence that belongs to this thread's last failed call: what was wrong, and what to do;
   "" if none failed. It stays valid until a call fails on this thread again. */
const char *tessera_last_error(void);

/* Returns the name of a status, such as "invalidArgument"; "ok" for 0. It stays valid. */
const char *tessera_status_name(tessera_status status);

/* Gives back a handle of any kind; NULL does nothing. */
tessera_status tessera_free(void *handle);

/* Returns how many handles there are now: what a test of leaks compares. */
int64_t tessera_handle_count(void);

/* ---------------------------------------------------------------------------------- Options */

/* Makes a struct of options: its size, and the defaults. In C++ use tessera.hpp, or set `size`. */
#define TESSERA_INIT(type) ((type){.size = sizeof(type)})

/* How vectors are compared. */
typedef int32_t tessera_metric;
enum {
  TESSERA_L2 = 0,            /* squared distance; smaller is better */
  TESSERA_INNER_PRODUCT = 1, /* larger is better */
  TESSERA_COSINE = 2,        /* larger is better; 0 where a vector has no length */
  TESSERA_HAMMING = 3,       /* bits that differ, eight in each uint8; smaller is better */
  TESSERA_JACCARD = 4        /* 1 - common / united bits; smaller is better */
};

/* The type of the numbers of vectors. */
typedef int32_t tessera_element;
enum {
  TESSERA_FLOAT32 = 0,
  TESSERA_FLOAT16 = 1,
  TESSERA_BFLOAT16 = 2,
  TESSERA_INT8 = 3,
  TESSERA_UINT8 = 4
};

/* Rows of numbers in the caller's memory, for the length of a call. Addresses need no alignment. */
typedef struct tessera_rows {
  const void *data;        /* row 0; may be NULL where there are no rows */
  tessera_element element; /* the type of the numbers */
  int64_t count;           /* rows */
  int64_t dimension;       /* numbers of a row: 1 to 1048576 */
  int64_t stride;          /* bytes from one row to the next; 0: rows follow each other */
} tessera_rows;

/* ---------------------------------------------------------------------------------- Control */

/* A handle that steers calls from outside: progress, an end by hand, a deadline. Every call that may
   take long takes one; NULL steers nothing. One control may serve several calls, at once too. */
typedef struct tessera_control tessera_control;

/* Hears how far a call has come, on the thread that made the call, after each step and in long steps
   about every tenth of a second. `done` is the share of the whole, 0 to 1; `objective` the error so far,
   smaller is better, NaN where there is none. Other than 0 ends the call as tessera_control_cancel()
   does. May call this library. */
typedef int32_t (*tessera_progress)(const char *stage, double done, double objective, void *context);

/* Hears a sentence about something that was overcome, or done otherwise than might be expected. */
typedef void (*tessera_note)(const char *text, void *context);

typedef struct tessera_control_options {
  size_t size;
  tessera_progress progress; /* NULL: nobody listens */
  tessera_note note;         /* NULL: nobody listens */
  void *context;             /* is given to both */
  double seconds;            /* the deadline, counted from the making of the control; 0: none */
} tessera_control_options;

tessera_status tessera_control_create(
    const tessera_control_options *options, tessera_control **control);

/* Ends the calls that have this control, within about a tenth of a second, with TESSERA_CANCELLED, and
   those that are given it later at once. From any thread. */
tessera_status tessera_control_cancel(tessera_control *control);

/* ---------------------------------------------------------------------------------- Devices */

/* A device that computes. Results do not depend on which. */
typedef struct tessera_device tessera_device;

enum {
  /* Lets "auto" and "opencl:all" measure devices where their speeds are not known yet, and keep the
     speeds in the user's cache folder. Without it "auto" is the CPU. */
  TESSERA_MEASURE = 1
};

typedef struct tessera_device_options {
  size_t size;
  int32_t threads; /* of the CPU; 0: TESSERA_THREADS, else one for each core */
  uint32_t flags;  /* TESSERA_MEASURE or 0 */
} tessera_device_options;

/* Opens a device by name: "cpu", "opencl", "opencl:N", "opencl:all", "reference" or "auto". NULL is what
   TESSERA_DEVICE says, else "auto". A call on a device that "auto" chose is done by the CPU if the
   device fails. */
tessera_status tessera_device_open(
    const char *name, const tessera_device_options *options, tessera_device **device);

typedef struct tessera_device_info {
  char identifier[32]; /* what tessera_device_open() takes */
  char kind[16];       /* "cpu", "gpu", "accelerator" or "reference" */
  char name[128];
  char driver[128];
  char variant[64];    /* the code path in use, such as an instruction set */
  int64_t memory_bytes;
  int64_t compute_units;
} tessera_device_info;

tessera_status tessera_device_describe(const tessera_device *device, tessera_device_info *info);

/* Describes every device of this machine, at most `capacity` of them. Loads the OpenCL drivers.
   `count` receives how many there are, also where `infos` is NULL and `capacity` 0. */
tessera_status tessera_devices(tessera_device_info *infos, int64_t capacity, int64_t *count);

/* ---------------------------------------------------------------------------------- Vectors */

/* Vectors that are searched, or that an index is built of. */
typedef struct tessera_vectors tessera_vectors;

/* Copies rows. */
tessera_status tessera_vectors_copy(const tessera_rows *rows, tessera_vectors **vectors);

/* Takes rows where they are, without a copy. They must stay as they are until `release` is called with
   `context`, which happens once, on any thread, when nothing needs them any more; after an error it is
   not called. Without `release` they must stay until everything made of them has been freed. */
tessera_status tessera_vectors_wrap(
    const tessera_rows *rows, void (*release)(void *context), void *context,
    tessera_vectors **vectors);

/* Maps a file of vectors: .npy (f4, f2, i1, u1), .fvecs, .bvecs, .fbin, .f16bin, .u8bin, .i8bin. */
tessera_status tessera_vectors_open(const char *path, tessera_vectors **vectors);

/* Tells where the rows are; they stay there as long as the handle is not freed. */
tessera_status tessera_vectors_rows(const tessera_vectors *vectors, tessera_rows *rows);

/* ---------------------------------------------------------------------------------- Filters */

/* Selects the rows that may be hits, by id. The hits are then the k nearest of the selected rows. */
typedef struct tessera_filter tessera_filter;

/* Selects the ids first, first + 1, ..., end - 1. */
tessera_status tessera_filter_range(int64_t first, int64_t end, tessera_filter **filter);

/* Selects the ids listed, in any order; they may be 2^35 apart at most. */
tessera_status tessera_filter_ids(const int64_t *ids, int64_t count, tessera_filter **filter);

/* Selects the id first + 64 * w + b where bit b of words[w] is set, bit 0 being the lowest. */
tessera_status tessera_filter_bitmap(
    const uint64_t *words, int64_t count, int64_t first, tessera_filter **filter);

/* ---------------------------------------------------------------------------------- Search */

/* Vectors, codes or an index, made ready to be searched on one device. What is searched is prepared by
   the first call and stays on the device. */
typedef struct tessera_search tessera_search;

typedef struct tessera_index tessera_index;
typedef struct tessera_living tessera_living;
typedef struct tessera_quantizer tessera_quantizer;

/* Searches vectors exactly; ids are row numbers. */
tessera_status tessera_search_vectors(
    const tessera_vectors *vectors, tessera_metric metric, const tessera_device *device,
    tessera_search **search);

/* Searches vectors that are a part of a set exactly: row i has the id first_id + i. What the parts' searches
   find, tessera_merge_top_k() makes the hits of the set of. */
tessera_status tessera_search_shard(
    const tessera_vectors *vectors, int64_t first_id, tessera_metric metric,
    const tessera_device *device, tessera_search **search);

/* Searches an index. */
tessera_status tessera_search_index(
    const tessera_index *index, const tessera_device *device, tessera_search **search);

/* Searches an index that changes: each search sees it as it is when the search begins, all of a change or
   nothing of it. Rows that were added since it was compacted are all looked at, whatever `probes` says. */
tessera_status tessera_search_living(
    const tessera_living *living, const tessera_device *device, tessera_search **search);

/* Searches codes of a quantizer, which are copied; ids are numbers of codes. */
tessera_status tessera_search_codes(
    const tessera_quantizer *quantizer, const uint8_t *codes, int64_t count, tessera_metric metric,
    const tessera_device *device, tessera_search **search);

typedef struct tessera_search_options {
  size_t size;
  const tessera_filter *filter; /* NULL: all rows */
  int64_t probes;               /* lists of an index to look at; 0: as `recall` says */
  double recall;                /* looks at as many lists as held this share of the true neighbors
                                   when the index was built; 0: 0.95; 1: all lists */
} tessera_search_options;

/* What a search did. */
typedef struct tessera_search_report {
  size_t size;              /* of this struct; set it before the call */
  double prepare_seconds;   /* for what was not ready yet */
  double search_seconds;
  double certified_share;   /* of the queries: nothing better than their hits was left out */
  double lists_per_query;   /* of an index, on average */
  double rows_per_query;    /* looked at, on average */
  char device[32];          /* that searched */
} tessera_search_report;

/* Finds the k nearest rows to every query. `ids` and `scores` receive queries->count rows of k.
   `report` may be NULL. */
tessera_status tessera_search_nearest(
    const tessera_search *search, const tessera_rows *queries, int64_t k,
    const tessera_search_options *options, const tessera_control *control, int64_t *ids,
    float *scores, tessera_search_report *report);

/* Merges the hits of `part_count` searches of the same queries, each for `width` hits: `ids` and `scores`
   hold those of part 0, query after query, then those of part 1, and so on, padded as searches pad.
   `best_ids` and `best_scores` receive query_count rows of the k best, ties by lower id. Merging some
   parts first gives the same bytes; with parts that are disjoint, and k no larger than `width`, they are
   those of a search of all rows. */
tessera_status tessera_merge_top_k(
    const int64_t *ids, const float *scores, int64_t part_count, int64_t query_count, int64_t width,
    tessera_metric metric, int64_t k, int64_t *best_ids, float *best_scores);

/* A search that leaves out shards. Where a shard's rows are, its ball is measured once: center and radius,
   dimension + 1 numbers that go to whoever shares a search out. For some queries they give bounds, and bounds
   tell which shards may still hold a better row than the hits there are. Nearest shards first, few are.

   Measures the ball that holds all rows (under the cosine, at unit length). `center` receives as many numbers
   as a row has. For TESSERA_L2, TESSERA_INNER_PRODUCT and TESSERA_COSINE. */
tessera_status tessera_shard_ball(
    const tessera_rows *rows, tessera_metric metric, const tessera_control *control, float *center,
    float *radius);

/* Bounds scores: no row in ball number s has a better score for query q than bounds[q * shards + s], by the
   triangle inequality. `centers` holds a row for each shard and `radii` a number; `bounds` receives
   queries->count rows of centers->count. */
tessera_status tessera_shard_bounds(
    const tessera_rows *centers, const float *radii, tessera_metric metric,
    const tessera_rows *queries, float *bounds);

/* Tells which shards may hold a row that belongs to the hits: `left` receives query_count rows of
   shard_count, 1 or 0, and `left_count`, which may be NULL, how many are 1. 0 of a query is a proof that its
   hits are those of all rows. `scores` are those of the hits so far, query_count rows of k, padded as
   searches pad; `searched` says which shards they are of, as `left` does; NULL: none. */
tessera_status tessera_shards_left(
    const float *bounds, const uint8_t *searched, int64_t query_count, int64_t shard_count,
    const float *scores, int64_t k, tessera_metric metric, uint8_t *left, int64_t *left_count);

/* The hits of a search whose number nobody knows before. */
typedef struct tessera_hits tessera_hits;

/* Finds all rows whose score is better than `score` for every query. */
tessera_status tessera_search_within(
    const tessera_search *search, const tessera_rows *queries, float score,
    const tessera_search_options *options, const tessera_control *control, tessera_hits **hits,
    tessera_search_report *report);

/* Tells for how many queries there are hits, and how many those are together. Either may be NULL. */
tessera_status tessera_hits_count(
    const tessera_hits *hits, int64_t *query_count, int64_t *hit_count);

/* Copies hits: query q has those at starts[q] up to starts[q + 1]. `starts` receives query_count + 1
   numbers, `ids` and `scores` hit_count each. Any may be NULL. */
tessera_status tessera_hits_copy(
    const tessera_hits *hits, int64_t *starts, int64_t *ids, float *scores);

/* ---------------------------------------------------------------------------------- Indexes */

typedef struct tessera_index_options {
  size_t size;
  int64_t training_limit; /* rows that are trained on, at most; 0: as many as each part needs */
  uint64_t seed;          /* 0: 1234 */
  int64_t iterations;     /* updates of the centroids; 0: 10 */
} tessera_index_options;

/* Builds an index of all rows in one go: trains what `specification` names, a factory string as FAISS
   has them ("Flat", "IVF1024,Flat", "PCA64,IVF256,PQ16x8,RFlat"), and puts every row in its list.
   `ids` holds an id for each row; NULL counts them from 0. The index keeps `vectors` where it keeps rows
   as they are and in their order. */
tessera_status tessera_index_build(
    const char *specification, const tessera_vectors *vectors, tessera_metric metric,
    const int64_t *ids, int64_t id_count, const tessera_index_options *options,
    const tessera_device *device, const tessera_control *control, tessera_index **index);

/* Trains what tessera_index_build() would train on `vectors`, and puts no row in: tessera_living_create()
   makes of it an index that rows are added to. */
tessera_status tessera_index_train(
    const char *specification, const tessera_vectors *vectors, tessera_metric metric,
    const tessera_index_options *options, const tessera_device *device,
    const tessera_control *control, tessera_index **index);

/* Opens the index in a file of Tessera's, or of FAISS. TESSERA_UNSUPPORTED for a file that was changed
   since it was compacted: tessera_living_open() opens that. */
tessera_status tessera_index_open(const char *path, tessera_index **index);

/* Writes the whole file, or nothing: for FAISS where the name ends in .faiss, else Tessera's. */
tessera_status tessera_index_save(const tessera_index *index, const char *path);

/* Measures how many lists hold what share of the neighbors, which FAISS's files do not say. `measured`
   receives an index that knows. Until then a search by recall looks at all lists. */
tessera_status tessera_index_measure(
    const tessera_index *index, const tessera_device *device, const tessera_control *control,
    tessera_index **measured);

/* Reads one file and writes the other, as "tessera convert" does. */
tessera_status tessera_index_convert(
    const char *input, const char *output, const tessera_device *device,
    const tessera_control *control);

typedef struct tessera_index_info {
  size_t size; /* of this struct; set it before the call */
  int64_t count;
  int64_t dimension;
  int64_t list_count;
  double list_imbalance; /* 1 where all lists are equally long */
  tessera_metric metric;
  int32_t is_measured;
  char specification[256]; /* cut where it is longer */
} tessera_index_info;

tessera_status tessera_index_describe(const tessera_index *index, tessera_index_info *info);

/* Returns rows by their ids as the index knows them: as they were given, or decoded. `rows` receives
   count rows of the index's dimension. */
tessera_status tessera_index_reconstruct(
    const tessera_index *index, const int64_t *ids, int64_t count, const tessera_device *device,
    float *rows);

/* Gives the rows of an index new ids, 0, 1, 2, ... in the order of those they had. */
tessera_status tessera_index_renumber(const tessera_index *index, tessera_index **renumbered);

/* ------------------------------------------------------------------------- Indexes that change */

enum {
  TESSERA_WRITE = 1 /* opens an index to change it, which one at a time may do */
};

/* Opens the index in a file of Tessera's to search it, or with the flag TESSERA_WRITE to change it too.
   Changes lie in a journal beside the file, PATH.journal, and are durable when the call that made them
   returns; a process that is killed at any moment leaves every acknowledged row and no other. Any number
   of handles and processes may read the file. TESSERA_BUSY where another has it open for writing, and it
   has until this handle and all searches made of it are freed. */
tessera_status tessera_living_open(const char *path, uint32_t flags, tessera_living **living);

/* Makes an index that changes in memory alone. `index` stays as it is. */
tessera_status tessera_living_create(const tessera_index *index, tessera_living **living);

/* Adds rows, which are copied. `ids` holds an id for each, which no row may have yet; NULL (with id_count
   0) gives each the next after the highest there was. `given`, which may be NULL, receives the ids. All
   rows are added, or after an error none. */
tessera_status tessera_living_add(
    const tessera_living *living, const tessera_rows *rows, const int64_t *ids, int64_t id_count,
    int64_t *given);

/* Puts rows in the places of those that have the same ids, all at once. TESSERA_INVALID_ARGUMENT for an
   id that no row has; nothing is changed then. */
tessera_status tessera_living_update(
    const tessera_living *living, const tessera_rows *rows, const int64_t *ids, int64_t id_count);

/* Removes the rows that have these ids; ids that no row has count for nothing. `removed`, which may be
   NULL, receives how many rows there were. */
tessera_status tessera_living_remove(
    const tessera_living *living, const int64_t *ids, int64_t count, int64_t *removed);

/* Removes the rows that a filter selects, in the same way. */
tessera_status tessera_living_remove_selected(
    const tessera_living *living, const tessera_filter *filter, int64_t *removed);

/* Puts all changes into the file, or the index in memory: added rows get lists and codes by the centroids
   and codebooks there are. Searches go on meanwhile, and other changes wait. After an error, as after a
   process that was killed, the index has all its rows. */
tessera_status tessera_living_compact(
    const tessera_living *living, const tessera_device *device, const tessera_control *control);

/* Sees what others have changed in the file since. Does nothing where this handle is what changes it. */
tessera_status tessera_living_refresh(const tessera_living *living);

/* Reads the file and its journal, and compares every checksum. TESSERA_MALFORMED_FILE tells what is
   damaged. */
tessera_status tessera_living_verify(const tessera_living *living);

/* Makes an index of all rows there are now, as compacting would; `living` stays as it is. */
tessera_status tessera_living_index(
    const tessera_living *living, const tessera_device *device, const tessera_control *control,
    tessera_index **index);

typedef struct tessera_living_info {
  size_t size; /* of this struct; set it before the call */
  int64_t count;
  int64_t dimension;
  int64_t next_id;       /* of the next row that brings none */
  int64_t added_count;   /* rows that were added since it was compacted, and are still there */
  int64_t removed_count; /* rows that were there when it was compacted, and are no more */
  int64_t journal_bytes;
  tessera_metric metric;
  int32_t is_writable;
  char specification[256]; /* cut where it is longer */
} tessera_living_info;

tessera_status tessera_living_describe(const tessera_living *living, tessera_living_info *info);

/* Returns rows by their ids, as tessera_index_reconstruct(); those that were added since it was compacted
   as they are kept. */
tessera_status tessera_living_reconstruct(
    const tessera_living *living, const int64_t *ids, int64_t count, const tessera_device *device,
    float *rows);

/* ---------------------------------------------------------------------------------- k-means */

typedef int32_t tessera_kmeans_algorithm;
enum {
  TESSERA_LLOYD = 0,
  TESSERA_MINI_BATCH = 1,   /* batch_size random points in each iteration */
  TESSERA_HIERARCHICAL = 2, /* for thousands of clusters */
  TESSERA_EXACT_1D = 3      /* the optimum for points of one dimension */
};

typedef int32_t tessera_kmeans_start;
enum {
  TESSERA_PLUS_PLUS = 0, /* k-means++ */
  TESSERA_RANDOM = 1,    /* distinct rows */
  TESSERA_PARALLEL = 2,  /* k-means|| */
  TESSERA_GIVEN = 3      /* the rows of `centroids` */
};

enum {
  TESSERA_ASSIGN_ONLY = 1 /* leaves given centroids where they are */
};

typedef struct tessera_kmeans_options {
  size_t size;
  tessera_metric metric;
  tessera_kmeans_algorithm algorithm;
  tessera_kmeans_start start;
  uint32_t flags;          /* TESSERA_ASSIGN_ONLY or 0 */
  int64_t iterations;      /* updates, at most; 0: 20 */
  int64_t restarts;        /* runs of which the best is kept; 0: 1 */
  int64_t batch_size;      /* of TESSERA_MINI_BATCH; 0: 1024 */
  int64_t training_limit;  /* points that are trained on, at most; 0: all */
  uint64_t seed;           /* 0: 1234 */
  double tolerance;        /* ends when the objective improves by less than this share; 0: never */
  tessera_rows centroids;  /* the start, with TESSERA_GIVEN; k rows */
  const float *weights;    /* one for each point; NULL: all weigh 1 */
  int64_t chunk_rows;      /* points that are added up together, then as a fixed tree; 0: all. What many
                              machines make of the same chunks has the same bits */
} tessera_kmeans_options;

typedef struct tessera_kmeans_report {
  size_t size;        /* of this struct; set it before the call */
  double objective;   /* the sum of weight times distance to the nearest centroid */
  double seconds;
  int64_t iterations; /* done */
  int32_t converged;  /* 1 if it ended because nothing changed any more */
} tessera_kmeans_report;

/* Groups points into k clusters. `centroids` receives k rows of the points' dimension, `labels` the
   nearest centroid of each point, `counts` the points of each cluster. Any of them may be NULL, and
   `report`. Equal points and options give equal bits on every device. */
tessera_status tessera_kmeans(
    const tessera_rows *points, int64_t k, const tessera_kmeans_options *options,
    const tessera_device *device, const tessera_control *control, float *centroids, int32_t *labels,
    int64_t *counts, tessera_kmeans_report *report);

/* ------------------------------------------------------------------------ k-means, many machines */

/* Rows that lie on many machines are clustered by pure functions, which an engine runs where and as often as
   it likes; it sends the bytes. Centroids are, bit for bit, those that tessera_kmeans() makes of all rows
   with the same options, whoever had which chunks:

   1. tessera_kmeans_start_rows() names some rows, and tessera_kmeans_start_centroids() makes centroids of them;
   2. where rows are, tessera_kmeans_partial() compares whole chunks of them with the centroids;
   3. tessera_kmeans_merge() makes one partial result of several, in any grouping and order;
   4. tessera_kmeans_step() returns the centroids that follow from all of them; on to 2.

   All take the options of tessera_kmeans(): `metric`, `start` (TESSERA_PLUS_PLUS or TESSERA_RANDOM), `seed`,
   `chunk_rows`, which must be the same everywhere, and `weights`, those of the rows that a call is given.
   Other fields stay 0. Labels are what tessera_kmeans() with TESSERA_ASSIGN_ONLY gives. */

/* Bytes that a call has made: a value to be sent and stored, and to be given to later calls. */
typedef struct tessera_bytes tessera_bytes;

/* Tells where the bytes are; they stay there as long as the handle is not freed. */
tessera_status tessera_bytes_get(const tessera_bytes *bytes, const void **data, int64_t *size);

/* Names the rows that centroids start from, of row_count rows: the seed alone decides. `rows` receives their
   numbers, at most `capacity` of them; `count` how many there are, also where `rows` is NULL and `capacity`
   0. */
tessera_status tessera_kmeans_start_rows(
    int64_t row_count, int64_t k, const tessera_kmeans_options *options, int64_t *rows,
    int64_t capacity, int64_t *count);

/* Makes the centroids to start from. `rows` are those that tessera_kmeans_start_rows() has named, in its order.
   `centroids` receives k rows. */
tessera_status tessera_kmeans_start_centroids(
    const tessera_rows *rows, int64_t row_count, int64_t k, const tessera_kmeans_options *options,
    const tessera_device *device, const tessera_control *control, float *centroids);

/* Compares rows with centroids. `rows` are whole chunks of chunk_rows rows, only the last of all may be
   shorter; first_row is the number of the first of them among all, a multiple of chunk_rows. */
tessera_status tessera_kmeans_partial(
    const tessera_rows *rows, int64_t first_row, const tessera_rows *centroids,
    const tessera_kmeans_options *options, const tessera_device *device,
    const tessera_control *control, tessera_bytes **partial);

/* Merges partial results: `partials` holds the address of each, `sizes` its size. TESSERA_INVALID_ARGUMENT
   for bytes that are none, for different centroids, and where two hold the same chunk. */
tessera_status tessera_kmeans_merge(
    const void *const *partials, const int64_t *sizes, int64_t partial_count,
    tessera_bytes **merged);

typedef struct tessera_kmeans_step_report {
  size_t size;       /* of this struct; set it before the call */
  double objective;  /* of the centroids that rows were compared with */
  int32_t repaired;  /* 1 if clusters without rows were moved to rows far from theirs, and nothing else was
                        done: compare the rows with `next` before this counts as an update */
  int32_t converged; /* 1 if `next` are the same centroids */
} tessera_kmeans_step_report;

/* Returns the centroids that follow from what all rows say about `centroids`. `next` receives as many, `counts`
   the rows that each of the old ones was nearest to; either may be NULL, and `report`.
   TESSERA_INVALID_SHAPE unless the partial result is of the rows 0 to row_count - 1. */
tessera_status tessera_kmeans_step(
    const void *partial, int64_t size, int64_t row_count, const tessera_rows *centroids,
    float *next, int64_t *counts, tessera_kmeans_step_report *report);

/* ---------------------------------------------------------------------------------- Quantizers */

/* Trains the quantizer that a factory string names: "PQ48x8", "OPQ48,PQ48x8", "SQ8", "RaBitQ4", ...
   `error` receives the mean squared error of the points; it may be NULL. */
tessera_status tessera_quantizer_train(
    const char *specification, const tessera_rows *points, const tessera_device *device,
    const tessera_control *control, tessera_quantizer **quantizer, double *error);

tessera_status tessera_quantizer_open(const char *path, tessera_quantizer **quantizer);
tessera_status tessera_quantizer_save(const tessera_quantizer *quantizer, const char *path);

typedef struct tessera_quantizer_info {
  size_t size; /* of this struct; set it before the call */
  int64_t dimension;
  int64_t code_bytes;
  char specification[256];
} tessera_quantizer_info;

tessera_status tessera_quantizer_describe(
    const tessera_quantizer *quantizer, tessera_quantizer_info *info);

/* Makes a code of each row. `codes` receives rows->count codes of code_bytes. */
tessera_status tessera_quantizer_encode(
    const tessera_quantizer *quantizer, const tessera_rows *rows, const tessera_device *device,
    const tessera_control *control, uint8_t *codes);

/* Returns what codes stand for. `rows` receives count rows of the quantizer's dimension. */
tessera_status tessera_quantizer_decode(
    const tessera_quantizer *quantizer, const uint8_t *codes, int64_t count,
    const tessera_device *device, const tessera_control *control, float *rows);

#ifdef __cplusplus
}
#endif

#endif
