// A client that can send inputs exists only where a connection was verified.
#include "ensconce/client/attested_client.h"

namespace ensconce {

Result<AttestedClient::Answer> ask(const Url& url, const AppraisalPolicy& policy,
                                   const Clock& clock, Random& random, std::vector<Tensor> inputs,
                                   std::unique_ptr<HttpClient> http, Affirmed affirmed) {
  (void)http;
  (void)affirmed;
#ifdef ENSC_MISUSE
  AttestedClient made(std::move(http), policy, affirmed, ServedList{}, clock);  // MISUSE: private
  return made.infer("model", std::move(inputs), {});
#else
  ConnectOutcome outcome = AttestedClient::connect(url, policy, ClientOptions{}, clock, random);
  ENSC_TRY_ASSIGN(const auto client, std::move(outcome.client));
  return client->infer("model", std::move(inputs), {});
#endif
}

}  // namespace ensconce
