#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/net/error.h"

namespace ensconce {

struct HttpHeader {
  std::string name;
  std::string value;
};

// HttpHeaders keeps header fields in their order; names compare without regard to case.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<HttpHeader> fields) : fields_(fields) {}

  // get returns the first value of a name. It dies with the next change.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  // set replaces every field of that name; add appends another.
  void set(std::string name, std::string value);
  void add(std::string name, std::string value);
  [[nodiscard]] const std::vector<HttpHeader>& all() const { return fields_; }
  // wipe overwrites every value and takes the fields away: some carry keys or passwords.
  void wipe();

 private:
  std::vector<HttpHeader> fields_;
};

// BodySource gives a body whose length is not known beforehand, piece by piece. Each piece becomes
// one chunk (RFC 9112 section 7.1) and is wiped when it has been sent.
class BodySource {
 public:
  BodySource() = default;
  virtual ~BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;

  // next appends the next piece to `out`, which comes empty, and returns whether more may follow.
  // It is asked for a piece when the one before has left, by one thread at a time, and may take as
  // long as it needs; a piece is held whole, so its size is what a body costs in memory. After an
  // error or false it is not asked again. An error ends the connection without the chunk that ends
  // a body: the peer sees that it was cut off.
  virtual Result<bool> next(Bytes& out) = 0;
};

struct HttpResponse;

// BodyIntake takes a request's body at a server as it arrives, in place of its being kept: what it
// makes of it becomes the request's body. One for each request; an answer from it refuses the
// request, and the handler never sees it. It must not throw: what it throws is answered with a bare
// 500, like a handler's.
class BodyIntake {
 public:
  BodyIntake() = default;
  virtual ~BodyIntake() = default;
  BodyIntake(const BodyIntake&) = delete;
  BodyIntake& operator=(const BodyIntake&) = delete;

  // take appends to `body` what the next piece stands for: at no time more than was taken, so that
  // nothing grows, and the budget for bodies covers it. A refusal ends the connection, unless the
  // body came whole already: the rest is not read.
  virtual std::unique_ptr<HttpResponse> take(ByteView piece, Bytes& body) = 0;
  // finish is called when the body has come whole, where the handler runs, before it. It may take
  // the body's memory for itself until the handler returns.
  virtual std::unique_ptr<HttpResponse> finish(Bytes& body) = 0;
  // settled says that further pieces cost little more than to be read. Until then pieces are taken
  // where handlers run.
  [[nodiscard]] virtual bool settled() const = 0;
};

struct HttpRequest {
  std::string method;
  std::string target;  // origin form: path, and query after '?'
  HttpHeaders headers;
  Bytes body;
  // To be sent in place of `body`, and used up by it. Null in what a server hands to its handler.
  std::shared_ptr<BodySource> stream = nullptr;
  // Called when a client has handed all of it to the kernel, before it waits for the answer: what
  // is done here costs no time while the server works.
  std::function<void()> on_sent = nullptr;
  // What took the body, in what a server hands to its handler; else null.
  std::shared_ptr<BodyIntake> intake = nullptr;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  Bytes body;
  // Sent in place of `body`. Shared because answers are copied; the server lets go of it when it
  // has been sent or the connection ended. Null in what a client returns.
  std::shared_ptr<BodySource> stream = nullptr;
};

// ConnectionInfo is what is known of the connection a request came over or goes over.
struct ConnectionInfo {
  // At a server no two connections of one process have the same, and none has 0. At a client 0.
  std::uint64_t id = 0;
  std::string peer;  // address:port
  bool tls = false;
  // RFC 9266: label "EXPORTER-Channel-Binding", empty context. Zero without TLS.
  ByteArray<32> exporter{};
  Bytes peer_certificate_der;  // empty when the peer showed none
};

// lower_name writes a field name as binary HTTP and HTTP/2 do: A to Z in lower case.
std::string lower_name(std::string_view name);
// is_hop_field says of a field name, in either case, that it speaks of one connection or frames one
// message (RFC 9110 section 7.6.1), so that it is not passed on: Host, Content-Length and Expect
// too.
bool is_hop_field(std::string_view name);

// path_of returns the part of a target before '?'. It borrows.
std::string_view path_of(std::string_view target);

// percent_decode decodes %XX (RFC 3986 section 2.1) and nothing else: '+' stays '+'. A broken
// escape or a NUL is NetError::kHttpMalformed.
Result<std::string> percent_decode(std::string_view text);

// query_of returns the decoded `name=value` pairs after '?'. Repeated or empty names, more than
// 64 pairs and broken escapes are NetError::kHttpMalformed.
using Query = std::map<std::string, std::string, std::less<>>;
Result<Query> query_of(std::string_view target);

// Url is an http or https address.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address stands without brackets
  std::uint16_t port = 0;
  std::string path;  // starts with '/'; the query, if any, is part of it

  // authority returns what a Host field carries: the port only where it is not the scheme's own.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string to_string() const;
};

// parse_url reads `http[s]://host[:port][/path[?query]]`. User information, fragments and other
// schemes are NetError::kBadUrl.
Result<Url> parse_url(std::string_view text);

// json_error returns a response of that status whose body is {"error":"message"}. The message is
// one of ours: printable ASCII without '"' and '\'.
HttpResponse json_error(int status, std::string_view message);

}  // namespace ensconce
