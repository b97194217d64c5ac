#include "jpeg_memory.h"

#include <jerror.h>

#include <cstdlib>
#include <cstring>

// libjpeg leaves these two to the memory manager; of the first it makes none when it decodes.
struct jvirt_barray_control {
  JBLOCKARRAY rows;
  JDIMENSION blocks_a_row;
  JDIMENSION num_rows;
  int pool;
  jvirt_barray_control* next;
};

namespace ensconce {

namespace {

// Vector code of libjpeg-turbo works in pieces of 32 samples, two at a time, past the end of a row.
constexpr std::size_t kRowMultiple = 64;
constexpr std::size_t kLine = 64;  // WipingHeap's alignment, kept behind our own header

std::size_t rounded(std::size_t len, std::size_t multiple) {
  return (len + multiple - 1) / multiple * multiple;
}

[[noreturn]] void fail(j_common_ptr common, int code) {
  common->err->msg_code = code;
  common->err->error_exit(common);
  std::abort();  // error_exit does not return
}

}  // namespace

struct JpegMemory::Methods {
  static void* block(j_common_ptr common, int pool, std::size_t len) {
    return of(common).allocate(common, pool, len);
  }

  // Rows of `row_len` bytes each, and the list of where they begin.
  template <typename Row>
  static Row* rows(j_common_ptr common, int pool, std::size_t row_len, JDIMENSION num_rows) {
    auto* list = static_cast<Row*>(block(common, pool, num_rows * sizeof(Row)));
    auto* bytes = static_cast<unsigned char*>(block(common, pool, row_len * num_rows));
    for (JDIMENSION i = 0; i < num_rows; ++i) {
      list[i] = reinterpret_cast<Row>(bytes + i * row_len);
    }
    return list;
  }

  static JSAMPARRAY sample_rows(j_common_ptr common, int pool, JDIMENSION samples_a_row,
                                JDIMENSION num_rows) {
    return rows<JSAMPROW>(common, pool, rounded(samples_a_row * sizeof(JSAMPLE), kRowMultiple),
                          num_rows);
  }

  static JBLOCKARRAY block_rows(j_common_ptr common, int pool, JDIMENSION blocks_a_row,
                                JDIMENSION num_rows) {
    return rows<JBLOCKROW>(common, pool, std::size_t{blocks_a_row} * sizeof(JBLOCK), num_rows);
  }

  static jvirt_sarray_ptr request_samples(j_common_ptr common, int /*pool*/, boolean /*pre_zero*/,
                                          JDIMENSION /*samples_a_row*/, JDIMENSION /*num_rows*/,
                                          JDIMENSION /*max_access*/) {
    fail(common, JERR_NOT_COMPILED);
  }

  static jvirt_barray_ptr request_blocks(j_common_ptr common, int pool, boolean /*pre_zero*/,
                                         JDIMENSION blocks_a_row, JDIMENSION num_rows,
                                         JDIMENSION /*max_access*/) {
    auto* array = static_cast<jvirt_barray_ptr>(block(common, pool, sizeof(jvirt_barray_control)));
    JpegMemory& memory = of(common);
    *array = {nullptr, blocks_a_row, num_rows, pool, memory.arrays_};
    memory.arrays_ = array;
    return array;
  }

  static void realize(j_common_ptr common) {
    for (jvirt_barray_ptr array = of(common).arrays_; array != nullptr; array = array->next) {
      if (array->rows == nullptr) {
        array->rows = block_rows(common, array->pool, array->blocks_a_row, array->num_rows);
      }
    }
  }

  static JSAMPARRAY access_samples(j_common_ptr common, jvirt_sarray_ptr /*array*/,
                                   JDIMENSION /*start*/, JDIMENSION /*num_rows*/,
                                   boolean /*writable*/) {
    fail(common, JERR_NOT_COMPILED);
  }

  static JBLOCKARRAY access_blocks(j_common_ptr common, jvirt_barray_ptr array, JDIMENSION start,
                                   JDIMENSION num_rows, boolean /*writable*/) {
    if (array->rows == nullptr || start > array->num_rows || num_rows > array->num_rows - start) {
      fail(common, JERR_BAD_VIRTUAL_ACCESS);
    }
    return array->rows + start;
  }

  static void free_pool(j_common_ptr common, int pool) { of(common).release(pool); }
  static void self_destruct(j_common_ptr /*common*/) {}
};

JpegMemory& JpegMemory::of(j_common_ptr common) {
  return *static_cast<JpegMemory*>(common->client_data);
}

// Memory comes as zeros: what libjpeg asks to be cleared is, and nothing of another request shows.
void* JpegMemory::allocate(j_common_ptr common, int pool, std::size_t len) {
  const std::size_t total = rounded(len, kLine) + kLine;
  if (total < len || total > left_) {
    fail(common, JERR_OUT_OF_MEMORY);
  }
  auto* block = static_cast<Block*>(heap_.allocate(total));
  if (block == nullptr) {
    fail(common, JERR_OUT_OF_MEMORY);
  }
  left_ -= total;
  std::memset(block, 0, total);
  *block = {blocks_, pool};
  blocks_ = block;
  return reinterpret_cast<unsigned char*>(block) + kLine;
}

// What goes back does not widen the bound again: one file has one bound.
void JpegMemory::release(int pool) {
  jvirt_barray_ptr* array = &arrays_;
  while (*array != nullptr) {
    if ((*array)->pool == pool) {
      *array = (*array)->next;
    } else {
      array = &(*array)->next;
    }
  }
  Block** block = &blocks_;
  while (*block != nullptr) {
    if ((*block)->pool == pool) {
      Block* const gone = *block;
      *block = gone->next;
      heap_.release(gone);
    } else {
      block = &(*block)->next;
    }
  }
}

JpegMemory::~JpegMemory() {
  release(JPOOL_IMAGE);
  release(JPOOL_PERMANENT);
}

void JpegMemory::attach(jpeg_decompress_struct& decompressor) {
  original_ = decompressor.mem;
  manager_.alloc_small = Methods::block;
  manager_.alloc_large = Methods::block;
  manager_.alloc_sarray = Methods::sample_rows;
  manager_.alloc_barray = Methods::block_rows;
  manager_.request_virt_sarray = Methods::request_samples;
  manager_.request_virt_barray = Methods::request_blocks;
  manager_.realize_virt_arrays = Methods::realize;
  manager_.access_virt_sarray = Methods::access_samples;
  manager_.access_virt_barray = Methods::access_blocks;
  manager_.free_pool = Methods::free_pool;
  manager_.self_destruct = Methods::self_destruct;
  manager_.max_memory_to_use = original_->max_memory_to_use;
  manager_.max_alloc_chunk = original_->max_alloc_chunk;
  decompressor.mem = &manager_;
}

void JpegMemory::detach(jpeg_decompress_struct& decompressor) const {
  decompressor.mem = original_;
}

}  // namespace ensconce
