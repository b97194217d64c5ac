#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>

#include "body_sink.h"
#include "ensconce/net/server.h"
#include "server_stream.h"

namespace ensconce::internal {

// ConnectionHost is what a connection knows of its server, which outlives it.
class ConnectionHost {
 public:
  ConnectionHost() = default;
  virtual ~ConnectionHost() = default;
  ConnectionHost(const ConnectionHost&) = delete;
  ConnectionHost& operator=(const ConnectionHost&) = delete;

  [[nodiscard]] virtual const ServerLimits& limits() const = 0;
  [[nodiscard]] virtual bool inline_handlers() const = 0;
  // at_once says that this request's handler runs without a handler thread.
  [[nodiscard]] virtual bool at_once(const HttpRequest& request) const = 0;
  // intake is who takes the body of this request, or null.
  [[nodiscard]] virtual std::shared_ptr<BodyIntake> intake(const HttpRequest& head) const = 0;
  virtual boost::asio::thread_pool& pool() = 0;
  virtual BodyBudget& body_budget() = 0;
  [[nodiscard]] virtual HttpResponse handle(const HttpRequest& request,
                                            const ConnectionInfo& info) const = 0;
  // established takes over a connection whose handshake is done.
  virtual void established(ServerStream stream, ConnectionInfo info) = 0;
  // forget is the last a connection calls; `ended` is its id, unless another goes on under it.
  virtual void forget(const void* connection, std::optional<std::uint64_t> ended) = 0;
};

// Connection is served until either side ends it. It keeps itself alive while it waits for
// something, on a strand of its own: start, drain and abort run there.
class Connection {
 public:
  Connection() = default;
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] virtual boost::asio::any_io_executor executor() = 0;
  virtual void start() = 0;
  // drain ends after the request in flight; abort ends now. Either may come before start.
  virtual void drain() = 0;
  virtual void abort() = 0;
};

// make_handshake takes a stream through TLS and hands it to ConnectionHost::established. Any
// stranger may cause that work, so it belongs on another thread than the requests of those who are
// in already.
std::shared_ptr<Connection> make_handshake(ConnectionHost& host, ServerStream stream,
                                           ConnectionInfo info);
// make_connection reads requests from a stream and answers them; TLS, if any, is established.
std::shared_ptr<Connection> make_connection(ConnectionHost& host, ServerStream stream,
                                            ConnectionInfo info);

}  // namespace ensconce::internal
