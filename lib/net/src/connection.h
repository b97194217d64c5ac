#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "body_sink.h"
#include "ensconce/net/server.h"
#include "tls.h"

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
  virtual boost::asio::thread_pool& pool() = 0;
  virtual BodyBudget& body_budget() = 0;
  [[nodiscard]] virtual HttpResponse handle(const HttpRequest& request,
                                            const ConnectionInfo& info) const = 0;
  // forget is the last a connection calls.
  virtual void forget(const void* connection, std::uint64_t id) = 0;
};

// Connection reads requests and answers them until either side ends it. It keeps itself alive while
// it waits for something, on a strand of its own: start, drain and abort run there.
class Connection {
 public:
  Connection() = default;
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] virtual boost::asio::any_io_executor executor() = 0;
  virtual void start() = 0;
  // drain ends after the request in flight; abort ends now.
  virtual void drain() = 0;
  virtual void abort() = 0;
};

// make_connection serves an accepted socket, over TLS if there is a session on it.
std::shared_ptr<Connection> make_connection(ConnectionHost& host,
                                            boost::asio::ip::tcp::socket socket,
                                            tls::SessionPtr ssl);

}  // namespace ensconce::internal
