// A tensor is user data: it moves, and its memory is wiped once.
#include "ensconce/inference/tensor.h"

namespace ensconce {

std::vector<Tensor> one(Tensor tensor) {
  std::vector<Tensor> out;
#ifdef ENSC_MISUSE
  const Tensor copy = tensor;  // MISUSE: deleted
#endif
  out.push_back(std::move(tensor));
  return out;
}

}  // namespace ensconce
