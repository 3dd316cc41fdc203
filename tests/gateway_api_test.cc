// The OpenAI-compatible API over a real ring: answers, streams, and everything that clients do wrong.
#include <cmath>
#include <thread>

#include "gmock/gmock.h"
#include "tests/gateway_fixture.h"

namespace dilemma {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void WaitFor(const std::function<bool()>& done) {
  for (int i = 0; i < 3000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(done());
}

TEST(GatewayTest, AChatIsTheModelsOwnWholeAndInPieces) {
  NEEDS_MODEL();
  const GatewayUnderTest under({});
  const std::string expected = under.cut.tokenizer->Decode(under.ExpectedTokens(24));
  const auto whole = under.Chat({{"max_tokens", 24}, {"temperature", 0}});
  ASSERT_TRUE(whole);
  ASSERT_EQ(whole->status, 200) << whole->body;
  const Json answer = Json::parse(whole->body);
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], expected);
  EXPECT_EQ(answer["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["usage"]["completion_tokens"], 24);
  EXPECT_GT(answer["usage"]["prompt_tokens"], 10);

  const auto stream = under.Chat({{"max_tokens", 24},
                                  {"temperature", 0},
                                  {"stream", true},
                                  {"stream_options", {{"include_usage", true}}}});
  ASSERT_TRUE(stream);
  EXPECT_THAT(stream->get_header_value("Content-Type"), HasSubstr("text/event-stream"));
  const std::vector<Json> events = Events(stream->body);
  ASSERT_GT(events.size(), 10u) << stream->body;
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(events[events.size() - 2]["usage"], answer["usage"]);
  EXPECT_EQ(events[events.size() - 3]["choices"][0]["finish_reason"], "length");
  std::string text;
  for (size_t i = 0; i + 2 < events.size(); ++i) {
    EXPECT_EQ(events[i]["object"], "chat.completion.chunk");
    EXPECT_EQ(events[i]["id"], events[0]["id"]);
    text += events[i]["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, expected);
}

TEST(GatewayTest, PlainCompletionsSeedsStopsAndLogprobs) {
  NEEDS_MODEL();
  const GatewayUnderTest under({});
  const auto complete = [&](Json body) {
    body["model"] = "smol";
    const auto reply = under.Post("/v1/completions", body);
    EXPECT_TRUE(reply && reply->status == 200) << (reply ? reply->body : "nothing");
    return Json::parse(reply->body);
  };
  const Json greedy = complete(
      {{"prompt", "One, two, three, four,"}, {"max_tokens", 12}, {"temperature", 0}, {"logprobs", 2}});
  const Json& choice = greedy["choices"][0];
  const std::string text = choice["text"];
  const Json& logprobs = choice["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), 12u);
  std::string joined;
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(logprobs["text_offset"][i], joined.size());
    joined += logprobs["tokens"][i];
    EXPECT_LE(logprobs["token_logprobs"][i].get<double>(), 0);
    ASSERT_EQ(logprobs["top_logprobs"][i].size(), 2u);
    EXPECT_EQ(logprobs["top_logprobs"][i].begin().key(), logprobs["tokens"][i]);  // greedy took the likeliest
  }
  EXPECT_EQ(joined, text);

  // A stop string in the middle of the text, which spans tokens.
  const std::string stop = text.substr(text.size() / 2, 3);
  const Json stopped = complete(
      {{"prompt", "One, two, three, four,"}, {"max_tokens", 12}, {"temperature", 0}, {"stop", stop}});
  EXPECT_EQ(stopped["choices"][0]["text"], text.substr(0, text.find(stop)));
  EXPECT_EQ(stopped["choices"][0]["finish_reason"], "stop");

  const Json random = {{"prompt", "Once"}, {"max_tokens", 12}, {"temperature", 1.2}, {"top_p", 0.95}};
  Json seeded = random;
  seeded["seed"] = 11;
  const Json once = complete(seeded), again = complete(seeded);
  EXPECT_EQ(once["choices"][0]["text"], again["choices"][0]["text"]);
  seeded["seed"] = 12;
  EXPECT_NE(complete(seeded)["choices"][0]["text"], once["choices"][0]["text"]);
  const Json echo = complete({{"prompt", "One, two"}, {"max_tokens", 2}, {"echo", true}});
  EXPECT_THAT(echo["choices"][0]["text"].get<std::string>(), HasSubstr("One, two"));
}

TEST(GatewayTest, ChatLogprobsStreamWithTheirText) {
  NEEDS_MODEL();
  const GatewayUnderTest under({});
  const auto stream = under.Chat(
      {{"max_tokens", 10}, {"temperature", 0}, {"stream", true}, {"logprobs", true}, {"top_logprobs", 3}});
  ASSERT_TRUE(stream);
  std::string text, tokens;
  int count = 0;
  for (const Json& event : Events(stream->body)) {
    if (!event.is_object()) continue;
    const Json& choice = event["choices"][0];
    text += choice["delta"].value("content", "");
    if (choice["logprobs"].is_null()) continue;
    for (const Json& token : choice["logprobs"]["content"]) {
      tokens += token["token"];
      EXPECT_EQ(token["top_logprobs"].size(), 3u);
      ++count;
    }
  }
  EXPECT_EQ(count, 10);
  EXPECT_EQ(text, tokens);
}

TEST(GatewayTest, ModelsHealthMetricsAndThePage) {
  NEEDS_MODEL();
  const GatewayUnderTest under({});
  auto client = under.Client();
  EXPECT_EQ(Json::parse(client.Get("/v1/models")->body)["data"][0]["id"], "smol");
  EXPECT_EQ(Json::parse(client.Get("/v1/models/smol")->body)["object"], "model");
  EXPECT_EQ(client.Get("/v1/models/other")->status, 404);
  EXPECT_EQ(client.Get("/health")->status, 200);
  EXPECT_THAT(client.Get("/")->body, HasSubstr("<!DOCTYPE html>"));
  ASSERT_EQ(under.Chat({{"max_tokens", 8}, {"temperature", 0}})->status, 200);
  EXPECT_EQ(under.Metric("dilemma_generated_tokens_total"), 8);
  EXPECT_EQ(under.Metric("dilemma_rows_total{phase=\"decode\"}"), 7);
  EXPECT_EQ(under.Metric("dilemma_stage_compute_seconds_count{phase=\"decode\",server=\"b\",stage=\"1\"}"),
            7);
  // 7 rows of 576 values of 4 bytes, the prompt's, and what frames them.
  EXPECT_GT(under.Metric("dilemma_link_bytes_total{from=\"a\",to=\"b\"}"), 7 * 576 * 4);
  EXPECT_GT(under.Metric("dilemma_link_latency_seconds_count{from=\"c\",to=\"a\"}"), 0);
  EXPECT_GT(under.Metric("dilemma_stage_decode_measured_seconds{server=\"c\",stage=\"2\"}"), 0);
  EXPECT_EQ(under.Metric("dilemma_requests_total{path=\"/v1/chat/completions\",status=\"200\"}"), 1);
  const Json status = Json::parse(client.Get("/status")->body);
  ASSERT_EQ(status["stages"].size(), 3u);
  EXPECT_EQ(status["stages"][0]["units"], "embedding + layers 0-8");
  EXPECT_GT(status["stages"][1]["measured_decode_s"], 0);
}

TEST(GatewayTest, ErrorsHaveOpenAIsFormAndTheRightCode) {
  NEEDS_MODEL();
  GatewayOptions options;
  options.api_keys = {"good-key", "other-key"};
  options.max_body_bytes = 20'000;
  const GatewayUnderTest under(options);
  const httplib::Headers key = {{"Authorization", "Bearer good-key"}};
  const auto expect = [](const httplib::Result& reply, int status, const std::string& code) {
    ASSERT_TRUE(reply) << "no answer where " << status << " was expected";
    EXPECT_EQ(reply->status, status) << reply->body;
    const Json json = Json::parse(reply->body);
    EXPECT_FALSE(json["error"]["message"].get<std::string>().empty());
    EXPECT_EQ(json["error"]["code"].is_null() ? "" : json["error"]["code"], code);
  };
  expect(under.Chat({{"max_tokens", 2}}), 401, "invalid_api_key");
  expect(under.Chat({{"max_tokens", 2}}, {{"Authorization", "Bearer good-kez"}}), 401, "invalid_api_key");
  expect(under.Client().Get("/metrics"), 401, "invalid_api_key");
  EXPECT_EQ(under.Client().Get("/health")->status, 200);
  EXPECT_EQ(under.Chat({{"max_tokens", 2}}, key)->status, 200);
  expect(under.Post("/v1/chat/completions",
                    {{"model", "gpt-9"}, {"messages", Json::array({{{"role", "user"}, {"content", "x"}}})}},
                    key),
         404, "model_not_found");
  expect(under.Client().Get("/v2/nothing", key), 404, "not_found");
  expect(under.Client().Get("/v1/completions", key), 405, "method_not_allowed");
  expect(under.Client().Post("/v1/completions", key, "{", "application/json"), 400, "invalid_json");
  expect(under.Client().Post("/v1/completions", key, "a=b", "application/x-www-form-urlencoded"), 415, "");
  expect(
      under.Post("/v1/completions", {{"model", "smol"}, {"prompt", std::string(3000, 'x') + " and on"}}, key),
      400, "context_length_exceeded");
  expect(under.Chat({{"max_tokens", 1000}}, key), 400, "context_length_exceeded");
  expect(under.Post("/v1/completions", {{"model", "smol"}, {"prompt", {1, 99999999}}}, key), 400, "");
  expect(under.Post("/v1/completions", {{"model", "smol"}, {"prompt", std::string(30'000, 'x')}}, key), 413,
         "");
}

TEST(GatewayTest, HostileConnectionsAreEndedAndTheServerGoesOn) {
  NEEDS_MODEL();
  GatewayOptions options;
  options.request_timeout_s = 1;
  options.max_body_bytes = 20'000;
  options.max_connections = 8;
  const GatewayUnderTest under(options);
  const int port = under.gateway->port();
  const std::string head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  {
    RawClient endless(port);  // header lines without end
    for (int i = 0; i < 2000 && endless.Send("X-Filler: " + std::string(100, 'x') + "\r\n"); ++i) {
    }
    RawClient line(port);  // one line without end
    for (int i = 0; i < 2000 && line.Send(std::string(100, 'x')); ++i) {
    }
  }
  {
    RawClient chunked(port);  // more than the limit, and no length was told
    chunked.Send(head + "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100 && chunked.Send("400\r\n" + std::string(1024, ' ') + "\r\n"); ++i) {
    }
    EXPECT_THAT(chunked.ReadAll(), HasSubstr(" 413 "));
    RawClient huge(port);
    huge.Send(head + "Content-Length: 99999999999\r\n\r\n");
    EXPECT_THAT(huge.ReadAll(), HasSubstr(" 413 "));
  }
  {
    RawClient bomb(port);  // what it unpacks to is anybody's guess
    bomb.Send(head + "Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789");
    EXPECT_THAT(bomb.ReadAll(), HasSubstr(" 415 "));
  }
  {
    RawClient slow(port);  // a byte now and then
    for (int i = 0; i < 40 && slow.Send("P"); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_THAT(slow.ReadAll(), HasSubstr(" 408 "));
    RawClient silent(port);
    silent.Send(head + "Content-Length: 10\r\n\r\n");
    EXPECT_THAT(silent.ReadAll(), HasSubstr(" 408 "));
  }
  {
    RawClient garbage(port);
    garbage.Send("\x16\x03\x01 not http at all\r\n\r\n");
    EXPECT_THAT(garbage.ReadAll(), HasSubstr(" 400 "));
    std::string refusal;  // on a busy machine the eight may be timed out before the ninth is looked at: again
    for (int tries = 0; tries < 20 && refusal.find(" 503 ") == std::string::npos; ++tries) {
      std::vector<std::unique_ptr<RawClient>> many;
      for (int i = 0; i < 8; ++i) many.push_back(std::make_unique<RawClient>(port));
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      RawClient refused(port);
      refusal = refused.ReadAll();
    }
    EXPECT_THAT(refusal, HasSubstr(" 503 "));
  }
  WaitFor([&] {
    const auto reply = under.Client().Get("/health");
    return reply && reply->status == 200;
  });
  EXPECT_EQ(under.Chat({{"max_tokens", 2}})->status, 200);
}

TEST(GatewayTest, MutatedRequestsNeitherCrashNorHangIt) {
  NEEDS_MODEL();
  GatewayOptions options;
  options.request_timeout_s = 1;
  const GatewayUnderTest under(options);
  const std::string good =
      RawPost("/v1/completions", R"({"model": "smol", "prompt": "One", "max_tokens": 1, "stream": true})");
  std::mt19937 random(5);
  for (int i = 0; i < 400; ++i) {
    std::string bytes = good;
    for (size_t change = 1 + random() % 6; change > 0; --change) {
      const size_t at = random() % bytes.size();
      if (random() % 4 == 0) {
        bytes.erase(at, random() % 20);
      } else if (random() % 3 == 0) {
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40));
      } else {
        bytes[at] = static_cast<char>(random());
      }
      if (bytes.empty()) bytes = "\n";
    }
    RawClient client(under.gateway->port());
    client.Send(bytes);
    if (i % 2 == 0) continue;  // leaves at once
    client.EndSending();
    client.ReadAll();
  }
  WaitFor([&] { return under.Metric("dilemma_requests_running") == 0; });
  EXPECT_EQ(under.Chat({{"max_tokens", 2}})->status, 200);
}

std::string LongStream() {
  return Json{{"model", "smol"},   {"messages", Json::array({{{"role", "user"}, {"content", "Count."}}})},
              {"max_tokens", 900}, {"temperature", 0},
              {"stream", true},    {"seed", 1}}
      .dump();
}

TEST(GatewayTest, AClientThatLeavesGivesItsSlotBack) {
  NEEDS_MODEL();
  const GatewayUnderTest under({}, /*users=*/1, /*context=*/1024);
  {
    RawClient client(under.gateway->port());
    client.Send(RawPost("/v1/chat/completions", LongStream()));
    EXPECT_THAT(client.ReadUntil("content\":\"\"}"), HasSubstr(" 200 "));
    EXPECT_EQ(under.Metric("dilemma_requests_running"), 1);
  }
  WaitFor([&] { return under.Metric("dilemma_requests_running") == 0; });
  EXPECT_EQ(under.Metric("dilemma_requests_cancelled_total"), 1);
  EXPECT_LT(under.Metric("dilemma_generated_tokens_total"), 500);
  EXPECT_EQ(under.Chat({{"max_tokens", 2}})->status, 200);
}

TEST(GatewayTest, PastTheQueueClientsAreToldToComeLater) {
  NEEDS_MODEL();
  GatewayOptions options;
  options.max_queue = 1;
  const GatewayUnderTest under(options, /*users=*/1, /*context=*/1024);
  RawClient running(under.gateway->port()), waiting(under.gateway->port());
  running.Send(RawPost("/v1/chat/completions", LongStream()));
  WaitFor([&] { return under.Metric("dilemma_requests_running") == 1; });
  waiting.Send(RawPost("/v1/chat/completions", LongStream()));
  WaitFor([&] { return under.Metric("dilemma_requests_waiting") == 1; });
  const auto refused = under.Chat({{"max_tokens", 2}});
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_GE(std::stoi(refused->get_header_value("Retry-After")), 1);
  EXPECT_EQ(Json::parse(refused->body)["error"]["code"], "rate_limit_exceeded");
  waiting.Leave();  // gives its place up
  WaitFor([&] { return under.Metric("dilemma_requests_waiting") == 0; });
  running.Leave();
  WaitFor([&] { return under.Metric("dilemma_requests_running") == 0; });
}

TEST(GatewayTest, StoppingEndsStreamsWithAnErrorThatSaysWhy) {
  NEEDS_MODEL();
  const GatewayUnderTest under({}, /*users=*/1, /*context=*/1024);
  RawClient client(under.gateway->port());
  client.Send(RawPost("/v1/chat/completions", LongStream()));
  client.ReadUntil("content\":\"\"}");
  under.gateway->Stop(/*grace_s=*/0.05);
  const std::string rest = client.ReadAll();
  EXPECT_THAT(rest, HasSubstr("\"error\""));
  EXPECT_THAT(rest, ::testing::Not(HasSubstr("[DONE]")));
}

TEST(GatewayTest, CurlStreams) {
  NEEDS_MODEL();
  if (std::system("command -v curl > /dev/null") != 0) GTEST_SKIP() << "curl is not installed";
  const GatewayUnderTest under({});
  const std::string line = fmt::format(
      "curl -sSN --compressed http://127.0.0.1:{}/v1/chat/completions -H 'Content-Type: application/json' -d "
      "'{{\"model\": \"smol\", \"messages\": [{{\"role\": \"user\", \"content\": \"Why is the sky "
      "blue?\"}}], "
      "\"temperature\": 0, \"max_tokens\": 12, \"stream\": true}}'",
      under.gateway->port());
  FILE* pipe = popen(line.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string out;
  char buffer[4096];
  for (size_t got = 0; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) out.append(buffer, got);
  EXPECT_EQ(pclose(pipe), 0);
  std::string text;
  for (const Json& event : Events(out)) {
    if (event.is_object()) text += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, under.cut.tokenizer->Decode(under.ExpectedTokens(12)));
}

}  // namespace
}  // namespace dilemma
