#include "distill/choose_types.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/units.h"

namespace dilemma {
namespace {

constexpr int64_t kCells = 1 << 16;

// One decision: a unit, or the tied ends together.
struct Decision {
  int unit = 0;
  std::vector<const Choice*> choices;
  std::vector<const Choice*> head;  // where the ends are tied: the head's choice that goes with each
  std::vector<int64_t> bytes;
  std::vector<double> losses;
};

// Everything in the file but the units' tensors: keys, tokenizer, names.
int64_t Overhead(const ModelInfo& model) {
  int64_t bytes = model.file_bytes;
  for (const Unit& unit : model.units) {
    if (unit.kind == UnitKind::kHead && model.tied_head) {
      for (const TensorInfo& tensor : unit.tensors) bytes -= tensor.quantizable ? 0 : tensor.bytes;
    } else {
      for (const TensorInfo& tensor : unit.tensors) bytes -= tensor.bytes;
    }
  }
  return bytes;
}

// Bytes of the head's own tensors when its matrix is the embedding's.
int64_t HeadBytesBesideMatrix(const Unit& head) {
  int64_t bytes = 0;
  for (const TensorInfo& tensor : head.tensors) bytes += tensor.quantizable ? 0 : tensor.bytes;
  return bytes;
}

Decision TiedEnds(const ModelInfo& model, const QualityTable& table) {
  Decision ends;
  for (const Choice& choice : table.units.front().choices) {
    for (const Choice& head : table.units.back().choices) {
      if (head.mix.For("output") != choice.mix.For("token_embd")) continue;
      ends.choices.push_back(&choice);
      ends.head.push_back(&head);
      ends.bytes.push_back(choice.bytes + HeadBytesBesideMatrix(model.units.back()));
      ends.losses.push_back(choice.loss + head.loss);
      break;
    }
  }
  return ends;
}

std::vector<Decision> Decisions(const ModelInfo& model, const QualityTable& table) {
  std::vector<Decision> decisions;
  const int last = static_cast<int>(model.units.size()) - 1;
  if (model.tied_head) decisions.push_back(TiedEnds(model, table));
  for (int u = model.tied_head ? 1 : 0; u <= (model.tied_head ? last - 1 : last); ++u) {
    Decision decision;
    decision.unit = u;
    for (const Choice& choice : table.units[static_cast<size_t>(u)].choices) {
      decision.choices.push_back(&choice);
      decision.bytes.push_back(choice.bytes);
      decision.losses.push_back(choice.loss);
    }
    decisions.push_back(std::move(decision));
  }
  return decisions;
}

// picks[d]: the choice of decision d, for the least loss within `limit` bytes; empty where nothing fits.
std::vector<size_t> Solve(const std::vector<Decision>& decisions, int64_t limit) {
  const double cell = static_cast<double>(limit) / kCells;
  std::vector<float> best(kCells + 1, 0.0F);
  std::vector<std::vector<uint8_t>> picked;
  for (const Decision& decision : decisions) {
    std::vector<float> next(kCells + 1, INFINITY);
    std::vector<uint8_t> pick(kCells + 1, 0);
    for (size_t i = 0; i < decision.choices.size(); ++i) {
      const auto cells = static_cast<int64_t>(std::ceil(static_cast<double>(decision.bytes[i]) / cell));
      const auto loss = static_cast<float>(decision.losses[i]);
      for (int64_t c = cells; c <= kCells; ++c) {
        const float value = best[static_cast<size_t>(c - cells)] + loss;
        if (value < next[static_cast<size_t>(c)]) {
          next[static_cast<size_t>(c)] = value;
          pick[static_cast<size_t>(c)] = static_cast<uint8_t>(i);
        }
      }
    }
    best = std::move(next);
    picked.push_back(std::move(pick));
  }
  std::vector<size_t> picks(decisions.size());
  if (!std::isfinite(best.back())) return {};
  int64_t left = kCells;
  for (size_t d = decisions.size(); d-- > 0;) {
    picks[d] = picked[d][static_cast<size_t>(left)];
    left -= static_cast<int64_t>(std::ceil(static_cast<double>(decisions[d].bytes[picks[d]]) / cell));
  }
  return picks;
}

}  // namespace

size_t ChoiceAtPrice(const UnitQuality& unit, double price) {
  const auto cost = [&](const Choice& c) { return c.loss + price * static_cast<double>(c.bytes); };
  const auto best = std::min_element(unit.choices.begin(), unit.choices.end(),
                                     [&](const Choice& a, const Choice& b) { return cost(a) < cost(b); });
  return static_cast<size_t>(best - unit.choices.begin());
}

absl::StatusOr<ChosenTypes> ChooseTypes(const ModelInfo& model, const QualityTable& table,
                                        int64_t max_file_bytes) {
  if (table.units.size() != model.units.size()) {
    return InvalidArgument("the quality table has {} units and the model {}", table.units.size(),
                           model.units.size());
  }
  const std::vector<Decision> decisions = Decisions(model, table);
  int64_t least = Overhead(model);
  for (const Decision& decision : decisions) {
    if (decision.choices.empty() || decision.choices.size() > 255) {
      return InvalidArgument("the quality table has no usable choices for {}",
                             table.units[static_cast<size_t>(decision.unit)].unit);
    }
    least += *std::min_element(decision.bytes.begin(), decision.bytes.end());
  }
  const std::vector<size_t> picks =
      max_file_bytes < least ? std::vector<size_t>() : Solve(decisions, max_file_bytes - Overhead(model));
  if (picks.empty()) {
    return FailedPrecondition("no choice of types fits into {}; the smallest file is {}",
                              FormatBytes(max_file_bytes), FormatBytes(least));
  }
  ChosenTypes chosen = {std::vector<TypeMix>(model.units.size()), Overhead(model), 0};
  for (size_t d = 0; d < decisions.size(); ++d) {
    const Decision& decision = decisions[d];
    chosen.types[static_cast<size_t>(decision.unit)] = decision.choices[picks[d]]->mix;
    if (!decision.head.empty()) chosen.types.back() = decision.head[picks[d]]->mix;
    chosen.file_bytes += decision.bytes[picks[d]];
    chosen.loss += decision.losses[picks[d]];
  }
  return chosen;
}

}  // namespace dilemma
