// For tests: a gateway over a real ring in this process, and clients good and bad.
#pragma once

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "gateway/gateway.h"
#include "tests/ring_fixture.h"

namespace dilemma {

struct GatewayUnderTest {
  CutModel cut;
  LocalNodes nodes;
  std::shared_ptr<Gateway::BatchTap> tap;
  std::unique_ptr<Coordinator> ring;
  std::unique_ptr<Gateway> gateway;

  explicit GatewayUnderTest(GatewayOptions options, int users = 2, int64_t context = 256)
      : cut(CutForTest({10, 20}, SourceTypes())), nodes(3) {
    cut.plan.workload.users = users;
    cut.plan.workload.context = context;
    CoordinatorOptions ring_options;
    ring_options.end_tokens = cut.tokenizer->EndOfGenerationTokens();
    tap = Gateway::Tap(&ring_options);
    auto opened = Coordinator::Open(cut.plan, nodes.cluster, cut.shards(), ring_options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    ring = *std::move(opened);
    options.port = 0;
    options.model = "smol";
    auto started = Gateway::Start(options, cut.plan, ring.get(), cut.tokenizer.get(), tap);
    EXPECT_TRUE(started.ok()) << started.status();
    gateway = *std::move(started);
  }

  // What the model file has already: cut, not quantized.
  static std::vector<TypeMix> SourceTypes() {
    std::vector<TypeMix> types = UniformTypes(32, "q4_1");
    types.front() = types.back() = *TypeMix::Parse("q8_0");
    return types;
  }

  httplib::Client Client() const {
    httplib::Client client("127.0.0.1", gateway->port());
    client.set_read_timeout(120);
    return client;
  }

  httplib::Result Post(const std::string& path, const Json& body,
                       const httplib::Headers& headers = {}) const {
    return Client().Post(path, headers, body.dump(), "application/json");
  }
  httplib::Result Chat(Json body, const httplib::Headers& headers = {}) const {
    body["model"] = "smol";
    if (!body.contains("messages"))
      body["messages"] = Json::array({{{"role", "user"}, {"content", "Why is the sky blue?"}}});
    return Post("/v1/chat/completions", body, headers);
  }

  // What the whole model answers to the same question, greedily.
  std::vector<int32_t> ExpectedTokens(int64_t count) const {
    const std::string text = *cut.tokenizer->ApplyChatTemplate({{"user", "Why is the sky blue?"}});
    return RunWhole(cut, cut.tokenizer->Encode(text, true, true), count, 64).tokens;
  }

  double Metric(const std::string& line_start) const {
    const auto reply = Client().Get("/metrics");
    EXPECT_TRUE(reply) << "no metrics";
    const size_t at = reply->body.find("\n" + line_start);
    if (at == std::string::npos) return -1;
    const size_t value = reply->body.find_last_of(' ', reply->body.find('\n', at + 1));
    return std::stod(reply->body.substr(value));
  }
};

// The documents of a stream of server-sent events; "[DONE]" becomes a string.
inline std::vector<Json> Events(const std::string& body) {
  std::vector<Json> events;
  for (size_t at = 0; (at = body.find("data: ", at)) != std::string::npos;) {
    const size_t end = body.find("\n\n", at);
    const std::string text = body.substr(at + 6, end - at - 6);
    events.push_back(text == "[DONE]" ? Json(text) : Json::parse(text));
    if (end == std::string::npos) break;
    at = end;
  }
  return events;
}

// A connection that does as it likes.
class RawClient {
 public:
  explicit RawClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval timeout = {60, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  }
  ~RawClient() { Leave(); }
  RawClient(const RawClient&) = delete;

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Reads until `text` is there or the server closes.
  std::string ReadUntil(const std::string& text) {
    std::string all;
    char buffer[4096];
    while (text.empty() || all.find(text) == std::string::npos) {
      const ssize_t got = recv(socket_, buffer, sizeof(buffer), 0);
      if (got <= 0) break;
      all.append(buffer, static_cast<size_t>(got));
    }
    return all;
  }
  std::string ReadAll() { return ReadUntil(""); }
  void EndSending() { shutdown(socket_, SHUT_WR); }
  void Leave() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
};

inline std::string RawPost(const std::string& path, const std::string& body,
                           const std::string& headers = "") {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n{}", path,
      headers, body.size(), body);
}

}  // namespace dilemma
