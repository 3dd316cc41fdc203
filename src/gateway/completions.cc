#include "gateway/completions.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "gateway/text_stream.h"

namespace dilemma {
namespace {

constexpr int64_t kDefaultPlainTokens = 16;  // OpenAI's for /v1/completions

}  // namespace

// One request on its way.
struct Completions::Job {
  CompletionRequest request;
  GenerateRequest generate;
  std::function<bool()> alive;
  std::shared_ptr<Admission::Ticket> ticket;
  std::unique_ptr<CompletionReply> reply;
  Usage usage;
  std::string finish = "stop";
  Stopwatch since_arrival;
};

absl::StatusOr<std::vector<int32_t>> Completions::Tokens(const CompletionRequest& request) const {
  if (!request.prompt_tokens.empty()) return request.prompt_tokens;
  if (!request.chat) return tokenizer_->Encode(request.prompt, /*special=*/false, /*add_bos=*/true);
  ASSIGN_OR_RETURN(const std::string text, tokenizer_->ApplyChatTemplate(request.messages));
  return tokenizer_->Encode(text, /*special=*/true, /*add_bos=*/true);
}

std::variant<std::shared_ptr<Completions::Job>, ApiError> Completions::Prepare(const HttpRequest& http,
                                                                               bool chat) {
  auto parsed = ParseCompletionRequest(http.body, chat);
  if (const auto* error = std::get_if<ApiError>(&parsed)) return *error;
  auto job = std::make_shared<Job>();
  job->request = std::get<CompletionRequest>(std::move(parsed));
  CompletionRequest& request = job->request;
  if (request.model != options_.model) {
    ApiError error = BadRequest(
        fmt::format("the model '{}' does not exist: this server has '{}'", request.model, options_.model),
        "model", "model_not_found");
    error.status = 404;
    return error;
  }
  auto tokens = Tokens(request);
  if (!tokens.ok()) return FromStatus(tokens.status());
  const std::string field = chat ? "messages" : "prompt";
  if (tokens->empty()) return BadRequest("the prompt has no tokens", field);
  const auto length = static_cast<int64_t>(tokens->size());
  const int64_t room = options_.context - length;
  const int64_t wanted = request.max_tokens.value_or(chat ? room : std::min(room, kDefaultPlainTokens));
  if (room < 1 || wanted > room) {
    return BadRequest(
        fmt::format("this model's context is {} tokens; the prompt has {} and {} were asked for: shorten the "
                    "prompt or lower max_tokens",
                    options_.context, length, std::max<int64_t>(wanted, 1)),
        field, "context_length_exceeded");
  }
  for (const int32_t token : *tokens) {
    if (token >= tokenizer_->vocab_size()) {
      return BadRequest(fmt::format("token {} is not one of the model's {}", token, tokenizer_->vocab_size()),
                        field);
    }
  }
  job->usage.prompt_tokens = length;
  job->generate.prompt = *std::move(tokens);
  job->generate.max_tokens = wanted;
  job->generate.sampling = request.sampling;
  job->generate.top_logprobs = request.top_logprobs;
  job->alive = http.alive;
  job->reply = std::make_unique<CompletionReply>(chat, options_.model, Fingerprint(), request.top_logprobs,
                                                 tokenizer_);
  return job;
}

HttpReply Completions::Handle(const HttpRequest& http, bool chat, const std::string& client) {
  auto prepared = Prepare(http, chat);
  if (const auto* error = std::get_if<ApiError>(&prepared)) return ErrorReply(*error);
  auto job = std::get<std::shared_ptr<Job>>(std::move(prepared));
  const std::string name = job->request.user.empty() ? client : client + "/" + job->request.user;
  auto ticket = admission_->Enter(name, [&] { return !abandoned_ && job->alive(); });
  if (!ticket.ok()) {
    HttpReply reply = ErrorReply(FromStatus(ticket.status()));
    if (absl::IsResourceExhausted(ticket.status())) {
      reply.headers.emplace_back("Retry-After", std::to_string(admission_->RetryAfterSeconds()));
    }
    return reply;
  }
  job->ticket = *std::move(ticket);
  if (!job->request.stream) return Answer(*job);
  HttpReply reply;
  reply.type = "text/event-stream";
  reply.stream = [this, job](const BodyWriter& write) { Stream(*job, write); };
  return reply;
}

absl::Status Completions::Generate(Job& job, const OnText& on_text) {
  TextStream text(job.request.stops);
  TokenLogprobs newest;
  std::vector<AnswerToken> tokens;  // whose text is held back
  const bool logprobs = job.request.top_logprobs >= 0;
  bool stopped = false;
  const auto send = [&](const std::string& piece) {
    std::vector<AnswerToken> done;
    for (AnswerToken& token : tokens) {
      if (token.offset < text.sent_bytes()) done.push_back(std::move(token));
    }
    std::erase_if(tokens, [&](const AnswerToken& token) { return token.offset < text.sent_bytes(); });
    return on_text(piece, done);
  };
  job.generate.on_logprobs = [&](const TokenLogprobs& told) { newest = told; };
  job.generate.still_wanted = [&] { return !abandoned_ && job.alive(); };
  const auto on_token = [&](int32_t token) {
    if (++job.usage.completion_tokens == 1) metrics_->FirstToken(job.since_arrival.Seconds());
    const std::string piece = tokenizer_->Piece(token);
    if (logprobs) tokens.push_back({newest, text.pushed_bytes()});
    const std::string ready = text.Push(piece);
    if (!ready.empty() && !send(ready)) return false;
    stopped = text.stopped();
    return !stopped && !abandoned_ && job.alive();
  };
  GenerateResult partial;
  job.generate.partial = &partial;
  const auto result = coordinator_->Generate(job.generate, on_token);
  job.generate.partial = nullptr;
  job.ticket.reset();  // the slot is free: what is left needs none
  if (result.ok() ? result->replanned : partial.replanned) job.reply->MarkReplanned();
  if (stopped) return absl::OkStatus();
  if (!result.ok()) return result.status();
  job.finish = result->finish == FinishReason::kLength ? "length" : "stop";
  const std::string rest = text.Finish();
  if (!rest.empty() && !send(rest)) return absl::CancelledError("the client left");
  return absl::OkStatus();
}

HttpReply Completions::Answer(Job& job) {
  std::string text;
  std::vector<AnswerToken> tokens;
  if (job.request.echo) text = job.request.prompt;
  const absl::Status status =
      Generate(job, [&](const std::string& piece, const std::vector<AnswerToken>& more) {
        text += piece;
        tokens.insert(tokens.end(), more.begin(), more.end());
        return true;
      });
  Note(status);
  metrics_->Finished(job.usage, job.since_arrival.Seconds());
  if (!status.ok()) return ErrorReply(FromStatus(status));
  HttpReply reply;
  reply.body = job.reply->Whole(text, tokens, job.finish, job.usage);
  return reply;
}

void Completions::Stream(Job& job, const BodyWriter& write) {
  const bool usage = job.request.include_usage;
  std::string begin = job.reply->First(usage);
  if (job.request.echo && !job.request.prompt.empty())
    begin = job.reply->Chunk(job.request.prompt, {}, usage);
  const bool there = begin.empty() || write(begin);
  absl::Status status = absl::CancelledError("the client left");
  if (there) {
    status = Generate(job, [&](const std::string& piece, const std::vector<AnswerToken>& tokens) {
      return write(job.reply->Chunk(piece, tokens, usage));
    });
  }
  job.ticket.reset();
  Note(status);
  metrics_->Finished(job.usage, job.since_arrival.Seconds());
  if (!status.ok()) {
    write("data: " + ErrorBody(FromStatus(status)) + "\n\n");
    return;
  }
  std::string end = job.reply->Last(job.finish, usage);
  if (usage) end += job.reply->UsageChunk(job.usage);
  write(end += CompletionReply::Done());
}

void Completions::Note(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return;
  if (absl::IsCancelled(status)) return metrics_->Cancelled();
  if (!status.ok()) spdlog::error("a generation failed: {}", Message(status));
  const std::lock_guard lock(mutex_);
  health_ = status;
}

void Completions::Use(const Plan& plan) {
  std::string shards;
  for (const PlanStage& stage : plan.stages) shards += stage.shard;
  const std::lock_guard lock(mutex_);
  fingerprint_ = "plan_" + Sha256(shards).substr(0, 12);
  health_ = absl::OkStatus();
}

std::string Completions::Fingerprint() const {
  const std::lock_guard lock(mutex_);
  return fingerprint_;
}

absl::Status Completions::Health() const {
  const absl::Status ring = coordinator_->health();
  if (!ring.ok()) return ring;
  const std::lock_guard lock(mutex_);
  return health_;
}

}  // namespace dilemma
