#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/message.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "ensconce/base/bytes.h"
#include "ensconce/base/secret.h"
#include "ensconce/net/http.h"

namespace ensconce::internal {

// BodyBudget counts what bodies hold over all connections. Nothing is published through the
// counter, so its accesses are relaxed.
class BodyBudget {
 public:
  explicit BodyBudget(std::size_t limit) : limit_(limit) {}
  [[nodiscard]] bool take(std::size_t n) {
    std::size_t held = held_.load(std::memory_order_relaxed);
    do {
      if (n > limit_ - held) {
        return false;
      }
    } while (!held_.compare_exchange_weak(held, held + n, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::size_t n) { held_.fetch_sub(n, std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> held_ = 0;  // never more than limit_
};

// BodySink is where a connection's body is gathered, with its share of the budget.
class BodySink {
 public:
  BodySink(BodyBudget& budget, Bytes& body, std::size_t max_body)
      : budget_(budget), body_(body), max_body_(max_body) {}
  ~BodySink() { drop(); }
  BodySink(const BodySink&) = delete;
  BodySink& operator=(const BodySink&) = delete;

  // reserve makes room for `len` bytes in all, unless the budget has not that much. The memory is
  // touched only as bytes arrive.
  [[nodiscard]] bool reserve(std::size_t len) {
    if (len <= share_) {
      return true;
    }
    if (!budget_.take(len - share_)) {
      return false;
    }
    share_ = len;
    Bytes grown;
    grown.reserve(len);
    grown.assign(body_.begin(), body_.end());
    wipe(body_.data(), body_.size());
    body_ = std::move(grown);
    return true;
  }

  // through lets an intake make the body of what arrives: append then keeps a piece until feed
  // gives it on.
  void through(BodyIntake* intake) { intake_ = intake; }
  [[nodiscard]] bool pending() const { return !pending_.empty(); }
  [[nodiscard]] std::unique_ptr<HttpResponse> feed() {
    auto refused = intake_->take(pending_, body_);
    wipe(pending_.data(), pending_.size());
    pending_.clear();
    return refused;
  }

  // append takes a piece of a body whose length is not known. The parser keeps the whole within
  // max_body.
  [[nodiscard]] bool append(ByteView piece) {
    taken_ += piece.size();
    const std::size_t len = taken_;
    if (len > share_ && !reserve(std::max(len, std::min(2 * share_, max_body_)))) {
      return false;
    }
    Bytes& to = intake_ != nullptr ? pending_ : body_;
    to.insert(to.end(), piece.begin(), piece.end());
    return true;
  }

  // drop wipes and frees the body and gives its share back.
  void drop() {
    for (Bytes* bytes : {&body_, &pending_}) {
      wipe(bytes->data(), bytes->size());
      Bytes().swap(*bytes);
    }
    intake_ = nullptr;
    taken_ = 0;
    if (share_ > 0) {
      budget_.give_back(std::exchange(share_, 0));
    }
  }

 private:
  BodyBudget& budget_;
  Bytes& body_;
  const std::size_t max_body_;
  std::size_t share_ = 0;
  std::size_t taken_ = 0;  // of what arrived
  BodyIntake* intake_ = nullptr;
  Bytes pending_;  // a piece for it
};

// over_budget is what SinkBody ends parsing with when the budget has not enough.
inline boost::system::error_code over_budget() {
  return make_error_code(boost::system::errc::not_enough_memory);
}

// SinkBody lets the parser write a chunked body where the handler reads it.
struct SinkBody {
  using value_type = BodySink*;
  class reader {
   public:
    template <bool kIsRequest, typename Fields>
    reader(boost::beast::http::header<kIsRequest, Fields>& /*head*/, value_type& sink)
        : sink_(sink) {}
    static void init(const boost::optional<std::uint64_t>& /*len*/, boost::system::error_code& ec) {
      ec = {};
    }
    template <typename Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& ec) {
      std::size_t n = 0;
      for (const boost::asio::const_buffer piece : boost::beast::buffers_range_ref(buffers)) {
        if (!sink_->append({static_cast<const std::uint8_t*>(piece.data()), piece.size()})) {
          ec = over_budget();
          return n;
        }
        n += piece.size();
      }
      ec = {};
      return n;
    }
    static void finish(boost::system::error_code& ec) { ec = {}; }

   private:
    value_type& sink_;
  };
};

}  // namespace ensconce::internal
