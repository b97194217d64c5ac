#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "connection.h"

namespace ensconce::internal {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class Handshake final : public Connection, public std::enable_shared_from_this<Handshake> {
 public:
  Handshake(ConnectionHost& host, ServerStream stream, ConnectionInfo info)
      : host_(host),
        stream_(std::move(stream)),
        timer_(stream_.socket().get_executor()),
        info_(std::move(info)) {}
  ~Handshake() override {
    host_.forget(this, handed_over_ ? std::nullopt : std::optional(info_.id));
  }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  asio::any_io_executor executor() override { return timer_.get_executor(); }
  void start() override {
    set_deadline(host_.limits().handshake_timeout);
    step();
  }
  void drain() override { shut(); }
  void abort() override { shut(); }

 private:
  void step() {
    while (stream_.is_open()) {
      const Io io = lingering_ ? stream_.linger() : stream_.handshake(info_);
      if (io == Io::kWantRead || io == Io::kWantWrite) {
        wait_for(io);
        return;
      }
      if (io == Io::kDone) {
        timer_.cancel();
        handed_over_ = true;
        host_.established(std::move(stream_), std::move(info_));
        return;
      }
      if (lingering_) {
        shut();
        return;
      }
      stream_.end_tls();
      if (!stream_.end_sending()) {
        shut();
        return;
      }
      lingering_ = true;
      set_deadline(kGoodbye);
    }
  }

  void wait_for(Io io) {
    stream_.socket().async_wait(
        io == Io::kWantRead ? tcp::socket::wait_read : tcp::socket::wait_write,
        [self = shared_from_this()](const error_code& ec) {
          if (!ec) {
            self->step();
          }
        });
  }

  void set_deadline(std::chrono::milliseconds limit) {
    timer_.expires_after(limit);
    timer_.async_wait([weak = weak_from_this()](const error_code& ec) {
      const auto self = weak.lock();
      if (self && !ec && !self->handed_over_) {
        self->shut();
      }
    });
  }

  void shut() {
    stream_.close();
    timer_.cancel();
  }

  ConnectionHost& host_;
  ServerStream stream_;
  asio::steady_timer timer_;
  ConnectionInfo info_;
  bool handed_over_ = false;
  bool lingering_ = false;
};

}  // namespace

std::shared_ptr<Connection> make_handshake(ConnectionHost& host, ServerStream stream,
                                           ConnectionInfo info) {
  return std::make_shared<Handshake>(host, std::move(stream), std::move(info));
}

}  // namespace ensconce::internal
