#include "planner/any_branch.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dilemma {
namespace {

constexpr int kLevels = 4;  // of memory that is taken, level_table.h
constexpr int kSteps = 300, kWidenSteps = 100, kRounds = 12;
constexpr int kQuickSteps = 60, kQuickRounds = 2;
constexpr size_t kMostStates = 8192;       // of all servers in level_paths.h
constexpr size_t kMostRests = 24'000'000;  // entries of unit_completions.h
constexpr size_t kFewestRooms = 64, kMostRooms = 1024;
constexpr size_t kFirstWidth = 256, kLastWidth = size_t{1} << 20, kWidening = 4;
constexpr size_t kQuickWidth = 256, kDiveWidth = 300;
constexpr size_t kSlowWidth = 1024;
constexpr double kWindow = 1e-2, kWidest = 1e3;  // above the bound, of it
constexpr double kGain = 0.3;        // of the bound, about, by its first prices where there is no plan
constexpr double kWidenGain = 1e-2;  // where servers are remembered anew, or ends are known

}  // namespace

AnyBranch::AnyBranch(const BlockInstance& instance, PathEnds ends, AnyBound::Found found,
                     Incumbent& incumbent, std::function<bool()> stop, double gap, bool quick)
    : in_(instance),
      incumbent_(incumbent),
      stop_(std::move(stop)),
      gap_(gap),
      quick_(quick),
      bound_(instance, kLevels, std::move(ends), std::move(found), stop_),
      window_(kWindow),
      width_(kFirstWidth) {}

bool AnyBranch::Begin() {
  if (!bound_.Run(1, 0)) return false;
  FindPrices(incumbent_.cost != kNever ? incumbent_.cost - bound_.bound() : kGain * bound_.bound());
  return true;
}

void AnyBranch::BeginAt(const AnyBranch& wider) {
  bound_.StartAt(wider.bound_.prices());
  lower_ = wider.lower_;
}

bool AnyBranch::exhausted() const {
  return width_ > (quick_ ? kQuickWidth : kLastWidth) || (search_ && search_->out_of_memory());
}

void AnyBranch::Step() {
  if (!priced_) {
    FindPrices(kWidenGain * lower_);
  } else if (round_ < (quick_ ? kQuickRounds : kRounds)) {
    Widen();
  } else if (!search_) {
    Prepare();
  } else {
    Pass();
  }
}

void AnyBranch::FindPrices(double gain) {
  priced_ = true;
  const bool path = bound_.Run(quick_ ? kQuickSteps : kSteps, gain);
  lower_ = path ? std::max(lower_, bound_.bound()) : kNever;
}

// Servers remember each other, one more a server in each round.
void AnyBranch::Widen() {
  int most = 0;
  for (auto states = static_cast<size_t>(in_.servers) * kLevels; states * kLevels <= kMostStates; ++most)
    states *= kLevels;
  ++round_;
  if (!bound_.Widen(std::min({round_, most, in_.servers - 1}))) {
    round_ = kRounds;
    return;
  }
  bound_.Run(kWidenSteps, kWidenGain * std::abs(bound_.bound()));
  lower_ = std::max(lower_, bound_.bound());
}

// A narrow pass without a window comes first: the best plan is farther above the bound than what is searched
// then.
void AnyBranch::Prepare() {
  bound_.Settle();
  size_t others = 0;
  for (int n = 0; n < in_.servers; ++n) others += static_cast<size_t>(bound_.memory().Others(n));
  rooms_ = std::make_unique<RoomGrid>(
      in_, std::clamp(kMostRests / (others * static_cast<size_t>(in_.units)), kFewestRooms, kMostRooms));
  search_ = std::make_unique<AnySearch>(in_, *rooms_, bound_, incumbent_, stop_);
  if (!quick_) search_->Pass(kDiveWidth, kNever, gap_);
  lower_ = std::max(lower_, search_->bound());
}

void AnyBranch::Pass() {
  const bool last = window_ > kWidest || lower_ <= 0;
  const bool complete = search_->Pass(width_, last ? kNever : lower_ * (1 + window_), gap_);
  lower_ = std::max(lower_, search_->bound());
  slow_ = !complete && width_ >= kSlowWidth;
  if (complete || incumbent_.cost == kNever) window_ *= 2;
  if (!complete) width_ *= kWidening;
}

}  // namespace dilemma
