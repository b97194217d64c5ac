#pragma once

// jpeglib.h wants these before it.
// clang-format off
#include <cstddef>
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include "ensconce/inference/wiped.h"

namespace ensconce {

// JpegMemory is a memory manager for libjpeg (its struct jpeg_memory_mgr) in place of the library's
// own, which gives coefficients and rows of pixels back unwiped and grows without a bound. All of
// it is taken from a WipingHeap and goes back with this object, so it must outlive the
// decompressor's last call. A request past the bound ends in libjpeg's error exit.
class JpegMemory {
 public:
  JpegMemory(WipingHeap heap, std::size_t most) : heap_(heap), left_(most) {}
  ~JpegMemory();
  JpegMemory(const JpegMemory&) = delete;
  JpegMemory& operator=(const JpegMemory&) = delete;

  // attach replaces the manager of a decompressor that was just created, whose client_data must be
  // this object; detach gives it its own back, which frees what was made before attach.
  void attach(jpeg_decompress_struct& decompressor);
  void detach(jpeg_decompress_struct& decompressor) const;

 private:
  struct Methods;
  struct Block {
    Block* next;
    int pool;
  };
  static JpegMemory& of(j_common_ptr common);
  void* allocate(j_common_ptr common, int pool, std::size_t len);
  void release(int pool);

  WipingHeap heap_;
  std::size_t left_;
  Block* blocks_ = nullptr;
  jvirt_barray_ptr arrays_ = nullptr;
  jpeg_memory_mgr manager_{};
  jpeg_memory_mgr* original_ = nullptr;
};

}  // namespace ensconce
