#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ensconce/client/attested_client.h"

namespace ensconce {

struct ProxyOptions {
  Url url;
  ChannelChoice choice = ChannelChoice::kAttestedTls;
  ClientOptions client;
  std::size_t max_idle_channels = 8;  // kept for the next request; more are closed after use
};

// AttestedProxy answers programs on this machine with what a verified worker says. It holds
// channels that were verified before anything was sent, has each appraised again before its
// affirmation ends, and fails closed: where no worker is affirmed it answers with an error that
// says why, and nothing leaves. Safe to use from several threads.
class AttestedProxy {
 public:
  // Clock and randomness are borrowed.
  AttestedProxy(AppraisalPolicy policy, ProxyOptions options, const Clock& clock, Random& random);

  // start opens the first channel, for a program that says at once what is wrong. The appraisal,
  // where it came to one, explains either outcome.
  struct Started {
    std::optional<AttestationResult> appraisal;
    Result<void> done;
  };
  Started start();
  // warm renews the channels that are idle when their time has come, and opens one where none is
  // left.
  Result<void> warm();

  // handle answers one request. Over a channel that streams, a long answer is handed on as it
  // comes: its stream borrows this proxy, and fails unless the answer came to its authenticated end
  // and has its receipt. Only programs of this machine are served: a Host that is no loopback name
  // is refused, and whatever a browser sends for a page of another site (Sec-Fetch-Site, an Origin
  // other than the proxy's own). A request is sent again only where the worker cannot have acted on
  // it; otherwise the program gets 502 or 504, in words.
  [[nodiscard]] HttpResponse handle(const HttpRequest& request);

 private:
  using Channel = std::unique_ptr<AttestedClient>;
  ConnectOutcome connect();
  Channel take();
  void give_back(Channel channel);
  struct Forwarded {
    Result<HttpResponse> answer;
    bool unsent = false;  // where there is none: the worker cannot have acted on the request
  };
  class Passing;
  Forwarded forward(HttpRequest request);
  // forward_on asks by a channel. One that no longer stands is let go of, and one whose answer
  // still comes goes with the answer.
  Forwarded forward_on(Channel& channel, HttpRequest request);
  [[nodiscard]] HttpResponse status();

  const AppraisalPolicy policy_;
  const ProxyOptions options_;
  const Clock& clock_;
  Random& random_;
  AppraisalCache cache_;
  std::mutex mutex_;
  std::vector<Channel> idle_;
};

inline constexpr std::string_view kProxyStatusPath = "/.well-known/ensconce/proxy";

}  // namespace ensconce
