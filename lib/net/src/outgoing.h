#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ensconce/net/http.h"

namespace ensconce::internal {

// Outgoing is what a connection has to send: an interim answer, an answer, a piece of one. What it
// held is wiped when it is replaced.
class Outgoing {
 public:
  Outgoing() = default;
  ~Outgoing() { drop(); }
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  enum class Then : std::uint8_t { kKeepAlive, kClose };

  // put_continue and put_answer leave unsent() to be sent. The answer to a HEAD is a head alone; an
  // answer that may not be sent is replaced by a bare 500.
  void put_continue();
  void put_answer(HttpResponse answer, std::string_view method, Then then);

  // streaming says whether pieces follow what is unsent: each by pull_piece, on any thread, then
  // put_piece, which is false when the source failed.
  [[nodiscard]] bool streaming() const { return answer_.stream != nullptr; }
  void pull_piece();
  [[nodiscard]] bool put_piece();

  // unsent is what is to be written next, empty when all is; sent counts what was.
  [[nodiscard]] ByteView unsent() const;
  void sent(std::size_t len);
  // drop lets go of everything, the stream too.
  void drop();

 private:
  bool write_head(std::string_view method, Then then);
  void join();

  HttpResponse answer_;
  std::string head_;            // of the answer or a chunk, with the first part of its body
  std::string_view tail_;       // what a chunk ends with
  std::optional<bool> pulled_;  // whether more may follow; nothing: the source failed
  std::size_t head_sent_ = 0;
  std::size_t body_sent_ = 0;
};

}  // namespace ensconce::internal
