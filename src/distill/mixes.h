// From losses of groups of matrices at single types to a unit's menu of mixes. Inside the room only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/model.h"
#include "quality/quality.h"

namespace dilemma {

struct GroupLoss {
  std::vector<std::string> roles;                     // of the matrices that share a type
  std::vector<std::pair<TensorType, double>> losses;  // at each type
};

// Mixes on the lower convex edge of (bytes, sum of losses), by descending bytes; at most `max_choices`,
// spread along the edge, the ends among them. A single group gets every choice that none beats in both. The
// base type of a mix is the one that most of its groups have.
std::vector<Choice> MixesOf(const Unit& unit, const std::vector<GroupLoss>& groups, int max_choices);

}  // namespace dilemma
