#include "distill/mixes.h"

#include <algorithm>
#include <cmath>

#include "distill/layer_losses.h"

namespace dilemma {
namespace {

TypeMix MixOf(const std::vector<GroupLoss>& groups, const std::vector<size_t>& picks) {
  std::map<int, size_t> uses;
  for (size_t g = 0; g < groups.size(); ++g) {
    uses[groups[g].losses[picks[g]].first.ggml] += groups[g].roles.size();
  }
  TypeMix mix;
  size_t most = 0;
  for (const auto& [type, count] : uses) {
    if (count > most) most = count, mix.base = {type};
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    const TensorType type = groups[g].losses[picks[g]].first;
    if (type == mix.base) continue;
    for (const std::string& role : groups[g].roles) mix.exceptions[role] = type;
  }
  return mix;
}

int64_t GroupBytes(const Unit& unit, const GroupLoss& group, TensorType type) {
  int64_t bytes = 0;
  for (const TensorInfo& tensor : unit.tensors) {
    const std::string role = TensorRole(tensor.name);
    if (!tensor.quantizable || std::find(group.roles.begin(), group.roles.end(), role) == group.roles.end())
      continue;
    bytes += RowBytes(type, tensor.shape[0]) * tensor.rows();
  }
  return bytes;
}

// One group: every type that no other beats in both bytes and loss.
std::vector<Choice> TypesOf(const Unit& unit, const GroupLoss& group) {
  std::vector<Choice> choices;
  for (const auto& [type, loss] : group.losses) {
    TypeMix mix = {type, {}};
    const auto bytes = UnitBytes(unit, mix);
    if (bytes.ok()) choices.push_back({std::move(mix), *bytes, loss});
  }
  std::stable_sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
    return a.loss != b.loss ? a.loss < b.loss : a.bytes < b.bytes;
  });
  std::vector<Choice> best;
  for (Choice& choice : choices) {
    if (best.empty() || choice.bytes < best.back().bytes) best.push_back(std::move(choice));
  }
  return best;
}

}  // namespace

std::vector<Choice> MixesOf(const Unit& unit, const UnitLoss& losses, int max_choices) {
  const std::vector<GroupLoss>& groups = losses.groups;
  if (groups.size() == 1) return TypesOf(unit, groups.front());
  // Every point of the edge minimises sum of losses + price * bytes for some price, and for a given price
  // groups choose independently; so sweep the price.
  std::vector<Choice> edge;
  std::vector<size_t> last;
  for (double exponent = -16; exponent <= 2; exponent += 0.01) {
    const double price = std::pow(10, exponent);
    std::vector<size_t> picks;
    std::vector<double> alone;
    for (const GroupLoss& group : groups) {
      size_t best = 0;
      double least = INFINITY;
      for (size_t i = 0; i < group.losses.size(); ++i) {
        const double cost = group.losses[i].second +
                            price * static_cast<double>(GroupBytes(unit, group, group.losses[i].first));
        if (cost < least) least = cost, best = i;
      }
      picks.push_back(best);
      alone.push_back(group.losses[best].second);
    }
    if (picks == last) continue;
    last = picks;
    TypeMix mix = MixOf(groups, picks);
    const auto bytes = UnitBytes(unit, mix);
    if (!bytes.ok()) continue;
    const double loss = Together(alone, losses.overlap);
    while (!edge.empty() && edge.back().loss >= loss) edge.pop_back();  // of more bytes
    edge.push_back({std::move(mix), *bytes, loss});
  }
  if (static_cast<int>(edge.size()) <= max_choices) return edge;
  std::vector<Choice> some;
  some.reserve(static_cast<size_t>(max_choices));
  for (int i = 0; i < max_choices; ++i) {
    some.push_back(edge[static_cast<size_t>(i) * (edge.size() - 1) / static_cast<size_t>(max_choices - 1)]);
  }
  return some;
}

}  // namespace dilemma
