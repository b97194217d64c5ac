#pragma once

#include <utility>

namespace ensconce {

// Verified<T> is a T that a verifier vouches for. Only verifiers make one; it has no default, no
// deserialiser, and its value is const, so that a move leaves no hollow proof.
template <typename T>
class Verified {
 public:
  Verified(const Verified&) = default;
  Verified(Verified&&) = default;
  Verified& operator=(const Verified&) = delete;
  Verified& operator=(Verified&&) = delete;
  ~Verified() = default;

  [[nodiscard]] const T& value() const { return value_; }
  const T& operator*() const { return value_; }
  const T* operator->() const { return &value_; }

 private:
  explicit Verified(T value) : value_(std::move(value)) {}
  const T value_;

  friend class SnpVerifier;
  friend class IntelVerifier;
  friend class AzureVerifier;
  friend class RaTlsVerifier;
  friend class StatementBinder;
  friend class BeaconVerifier;
};

}  // namespace ensconce
