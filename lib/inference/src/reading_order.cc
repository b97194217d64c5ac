#include <algorithm>
#include <cmath>

#include "ensconce/inference/ocr_page.h"

namespace ensconce {

namespace {

constexpr double kSameRow = 0.5;  // of the height of the lower line

struct Placed {
  std::size_t index = 0;
  Point along;           // from where the line begins to where it ends
  std::size_t turn = 0;  // quarters from the right, clockwise, that `along` is nearest to
  double height = 0;
  double u = 0;  // of the middle, along the page's text and across it
  double v = 0;
};

std::size_t nearest_turn(const Point& along) {
  if (std::abs(along.x) >= std::abs(along.y)) {
    return along.x >= 0 ? 0 : 2;
  }
  return along.y >= 0 ? 1 : 3;
}

Placed place(const Quad& q, std::size_t index) {
  Placed out;
  out.index = index;
  out.along = {(q[1].x - q[0].x + q[2].x - q[3].x) / 2, (q[1].y - q[0].y + q[2].y - q[3].y) / 2};
  out.turn = nearest_turn(out.along);
  out.height = (distance(q[0], q[3]) + distance(q[1], q[2])) / 2;
  return out;
}

// Returns the direction of the page's text, of length 1.
Point direction(std::span<const Placed> lines) {
  std::array<double, 4> lengths{};
  std::array<Point, 4> sums{};
  for (const Placed& line : lines) {
    lengths[line.turn] += std::hypot(line.along.x, line.along.y);
    sums[line.turn].x += line.along.x;
    sums[line.turn].y += line.along.y;
  }
  const auto most = std::max_element(lengths.begin(), lengths.end()) - lengths.begin();
  const Point& sum = sums[static_cast<std::size_t>(most)];
  const double len = std::hypot(sum.x, sum.y);
  return len > 0 ? Point{sum.x / len, sum.y / len} : Point{1, 0};
}

}  // namespace

std::vector<std::size_t> reading_order(std::span<const Quad> lines) {
  WipedVector<Placed> placed;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    placed.push_back(place(lines[i], i));
  }
  const Point axis = direction(placed);
  for (Placed& line : placed) {
    Point middle;
    for (const Point& p : lines[line.index]) {
      middle.x += p.x / 4;
      middle.y += p.y / 4;
    }
    line.u = axis.x * middle.x + axis.y * middle.y;
    line.v = axis.x * middle.y - axis.y * middle.x;
  }
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return a.v < b.v || (a.v == b.v && a.u < b.u);
  });
  for (auto row = placed.begin(); row != placed.end();) {
    const auto end = std::find_if(row, placed.end(), [&](const Placed& line) {
      return line.v - row->v >= kSameRow * std::min(line.height, row->height);
    });
    // A line without a height would not even be in its own row.
    const auto next = end == row ? row + 1 : end;
    std::stable_sort(row, next, [](const Placed& a, const Placed& b) { return a.u < b.u; });
    row = next;
  }
  std::vector<std::size_t> order;
  order.reserve(placed.size());
  for (const Placed& line : placed) {
    order.push_back(line.index);
  }
  return order;
}

}  // namespace ensconce
